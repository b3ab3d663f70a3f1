import dask
import dask.array as da
import numpy as np
import pytest
from dask.array.utils import assert_eq
from sklearn.linear_model import LinearRegression, SGDClassifier

from incremental.datasets import _lazy, make_blobs, make_classification, make_regression

MAKERS = [make_blobs, make_classification, make_regression]
each_maker = pytest.mark.parametrize("make", MAKERS)


@pytest.fixture
def drawn(monkeypatch):
    """The positions of the blocks that were drawn."""
    positions = []
    draw_block = _lazy._draw_block

    def draw_and_note(draw, entropy, position, n_rows):
        positions.append(position)
        return draw_block(draw, entropy, position, n_rows)

    monkeypatch.setattr(_lazy, "_draw_block", draw_and_note)
    with dask.config.set(scheduler="synchronous"):
        yield positions


def equal(a, b):
    a, b = dask.compute(a, b)
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@each_maker
def test_the_same_seed_and_chunks_give_the_same_data(make):
    a, b = (make(100, 20, chunks=30, random_state=0) for _ in range(2))
    assert equal(a, b)
    assert [x.name for x in a] == [x.name for x in b]


@each_maker
def test_different_seeds_give_different_data_and_names(make):
    a, b = (make(100, 20, chunks=30, random_state=seed) for seed in range(2))
    assert not equal(a[:1], b[:1])
    assert a[0].name != b[0].name
    assert a[1].name != b[1].name


@each_maker
def test_no_seed_gives_different_data_every_time(make):
    assert not equal(make(100, 20), make(100, 20))


@each_maker
def test_a_random_state_instance_goes_on_from_call_to_call(make):
    first, second = (np.random.RandomState(0) for _ in range(2))
    a = make(100, 20, random_state=first)
    assert equal(a, make(100, 20, random_state=second))
    assert not equal(a, make(100, 20, random_state=second))


@each_maker
def test_computing_twice_gives_the_same_data(make):
    a = make(100, 20, chunks=30)
    assert equal(a, a)


@each_maker
def test_the_blocks_of_a_data_set_differ(make):
    X, _ = make(100, 20, chunks=50, random_state=0)
    assert not equal([X.blocks[0]], [X.blocks[1]])


@each_maker
def test_a_longer_data_set_begins_with_the_shorter_one(make):
    short = make(90, 20, chunks=30, random_state=0)
    X, y = make(200, 20, chunks=30, random_state=0)
    assert equal(short, (X[:90], y[:90]))


@each_maker
def test_nothing_is_drawn_before_it_is_needed(make, drawn):
    X, y = make(100, 20, chunks=10, random_state=0)
    assert drawn == []
    X.blocks[3].compute()
    y.blocks[5].compute()
    assert drawn == [3, 5]


@each_maker
def test_X_and_y_together_draw_each_block_once(make, drawn):
    dask.compute(*make(100, 20, chunks=10, random_state=0))
    assert sorted(drawn) == list(range(10))


@each_maker
def test_what_is_derived_from_X_and_y_draws_each_block_once(make, drawn):
    X, y = make(100, 20, chunks=10, random_state=0)
    dask.compute((X - 1).sum(axis=1), y + 1)
    assert sorted(drawn) == list(range(10))


@each_maker
def test_X_computed_alone_is_that_computed_with_y(make):
    X, y = make(100, 20, chunks=30, random_state=0)
    assert equal((X.compute(), y.compute()), (X, y))


@each_maker
def test_a_billion_rows_cost_nothing(make):
    X, y = make(10**9, 20)
    assert X.shape == (10**9, 20)
    assert len(X.dask) < 10_000
    assert X.blocks[-1].numblocks == (*y.blocks[-1].numblocks, 1) == (1, 1)


@each_maker
def test_the_graph_grows_with_the_number_of_blocks_only(make):
    X, y = make(100_000, 20, chunks=10)
    assert X.numblocks == (10_000, 1)
    assert len(X.dask) == len(y.dask) == 2 * 10_000 + 1


@each_maker
def test_the_computed_blocks_are_what_the_arrays_declare(make):
    X, y = make(100, 20, chunks=30, random_state=0)
    assert X.chunks == ((30, 30, 30, 10), (20,))
    assert y.chunks == X.chunks[:1]
    assert X.dtype == float
    assert y.dtype == (float if make is make_regression else int)
    assert_eq(X, X.compute())
    assert_eq(y, y.compute())


@each_maker
@pytest.mark.parametrize(
    ("chunks", "rows"),
    [
        ("auto", (100,)),
        (None, (100,)),
        (-1, (100,)),
        (1_000, (100,)),
        (np.int64(60), (60, 40)),
        ("8 kB", (50, 50)),
        ((10, 0, 90), (10, 0, 90)),
        ([10, 90], (10, 90)),
    ],
)
def test_chunks_are_rows_or_bytes(make, chunks, rows):
    X, y = make(100, 20, chunks=chunks)
    assert X.chunks == (rows, (20,))
    assert y.chunks == (rows,)
    assert_eq(X, X.compute(), check_graph=False)


@each_maker
def test_blocks_have_the_size_that_dask_is_configured_for(make):
    with dask.config.set({"array.chunk-size": "8 kB"}):
        assert make(100, 20)[0].numblocks == (2, 1)


def test_every_scheduler_gives_the_same_data():
    a = [x for make in MAKERS for x in make(100, 20, chunks=30, random_state=0)]
    b, c, d = (dask.compute(*a, scheduler=s) for s in ("synchronous", "threads", "processes"))
    assert equal(b, c)
    assert equal(b, d)


def test_a_classifier_trained_on_the_first_block_knows_the_last():
    X, y = make_classification(20_000, chunks=1_000, class_sep=2, random_state=0)
    model = SGDClassifier(random_state=0).fit(X.blocks[0].compute(), y.blocks[0].compute())
    assert model.score(X.blocks[-1].compute(), y.blocks[-1].compute()) > 0.9


def test_the_coefficients_of_every_block_are_those_returned():
    X, y, coef = make_regression(1_000, 5, bias=3, chunks=100, coef=True, random_state=0)
    for i in (0, 9):
        model = LinearRegression().fit(X.blocks[i].compute(), y.blocks[i].compute())
        np.testing.assert_allclose(model.coef_, coef)
        np.testing.assert_allclose(model.intercept_, 3)


def test_the_centers_of_every_block_are_those_returned():
    X, y, centers = make_blobs(
        1_000, centers=2, cluster_std=[0, 1e-9], chunks=100, return_centers=True, random_state=0
    )
    np.testing.assert_allclose(X, centers[y.compute()], atol=1e-7)
    rows = (y == 0).compute()
    assert np.array_equal(X.compute()[rows], np.tile(centers[0], (rows.sum(), 1)))


def test_what_is_returned_with_the_arrays_can_be_changed_without_harm():
    X, y, centers = make_blobs(100, return_centers=True, random_state=0)
    before = X.compute()
    centers[:] = 0
    assert equal([X], [before])
    X, y, coef = make_regression(100, coef=True, random_state=0)
    before = y.compute()
    coef[:] = 0
    assert equal([y], [before])


def test_given_centers_decide_on_the_number_of_features():
    X, y = make_blobs(100, centers=[[0, 0, 0], [9, 9, 9]], cluster_std=0, random_state=0)
    assert X.shape == (100, 3)
    assert equal([X], [9 * da.stack([y, y, y], axis=1)])


def test_centers_are_drawn_from_the_center_box():
    *_, centers = make_blobs(1, centers=50, center_box=(2, 3), return_centers=True)
    assert centers.shape == (50, 2)
    assert ((centers >= 2) & (centers <= 3)).all()


def test_unshuffled_columns_are_informative_then_redundant_then_repeated_then_noise():
    X, _ = make_classification(
        500, 9, n_informative=3, n_redundant=2, n_repeated=2, shuffle=False, random_state=0
    )
    X = X.compute()
    assert np.linalg.matrix_rank(X[:, :7]) == 3
    assert np.linalg.matrix_rank(X) == 5
    assert all((X[:, [i]] == X[:, :5]).all(axis=0).any() for i in (5, 6))


def test_shuffling_moves_columns_only():
    a, b = (make_classification(100, shuffle=s, random_state=0) for s in (True, False))
    assert np.array_equal(np.sort(a[0].compute()), np.sort(b[0].compute()))
    assert not equal(a[:1], b[:1])
    assert equal(a[1:], b[1:])


def test_unshuffled_coefficients_begin_with_the_informative_ones():
    *_, coef = make_regression(1, 10, n_informative=3, shuffle=False, coef=True, random_state=0)
    assert (coef != 0).tolist() == [True] * 3 + [False] * 7


def test_all_columns_are_informative_if_there_are_too_few():
    *_, coef = make_regression(1, 4, n_informative=10, coef=True, random_state=0)
    assert (coef != 0).all()


def test_several_targets_give_a_two_dimensional_y():
    X, y, coef = make_regression(100, 5, n_targets=2, bias=[1, 2], chunks=30, coef=True)
    assert y.chunks == ((30, 30, 30, 10), (2,))
    assert coef.shape == (5, 2)
    assert_eq(y, X.compute() @ coef + [1, 2])


def test_noise_is_the_deviation_from_the_linear_model():
    X, y, coef = make_regression(10_000, 5, noise=2, coef=True, random_state=0)
    assert 1.9 < (y - X @ coef).std().compute() < 2.1


@pytest.mark.parametrize("weights", [[0.7, 0.2], [0.7, 0.2, 0.1], np.array([7, 2, 1])])
def test_weights_are_the_shares_of_the_classes(weights):
    _, y = make_classification(
        10_000, n_informative=3, n_classes=3, weights=weights, flip_y=0, random_state=0
    )
    shares = np.bincount(y.compute()) / 10_000
    np.testing.assert_allclose(shares, [0.7, 0.2, 0.1], atol=0.02)


def test_flipped_labels_are_drawn_from_all_classes():
    _, y = make_classification(10_000, weights=[1, 0], flip_y=0.5, random_state=0)
    np.testing.assert_allclose(y.mean().compute(), 0.25, atol=0.02)


def test_every_cluster_has_a_vertex_of_its_own():
    centers, labels = make_classification(
        2_000, 3, n_informative=3, n_redundant=0, n_clusters_per_class=4, flip_y=0, class_sep=1e9
    )
    vertices = np.unique(np.sign(centers.compute()), axis=0)
    assert vertices.tolist() == [[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    assert set(labels.compute()) == {0, 1}


def test_more_dimensions_than_bits_work():
    X, _ = make_classification(100, n_features=100, n_informative=90, random_state=0)
    assert X.compute().shape == (100, 100)


def test_a_random_polytope_has_smaller_sides():
    options = {"n_redundant": 0, "class_sep": 100.0, "random_state": 0}
    a, b = (make_classification(100, 2, hypercube=h, **options)[0] for h in (True, False))
    assert abs(b).max().compute() < abs(a).max().compute()


@pytest.mark.parametrize("shuffle", [True, False])
def test_columns_are_shifted_then_scaled(shuffle):
    options = {"n_features": 4, "shuffle": shuffle, "random_state": 0}
    plain, _ = make_classification(100, **options)
    moved, _ = make_classification(100, shift=3, scale=[2, 2, 2, 2], **options)
    assert equal([moved], [(plain + 3) * 2])


def test_shift_and_scale_can_be_drawn():
    a, b = (make_classification(1_000, shift=None, scale=s, random_state=0)[0] for s in (None, 1))
    means = b.mean(axis=0).compute()
    ratios = (a / b).compute()
    assert len(np.unique(means.round(3))) == 20
    np.testing.assert_allclose(ratios.std(axis=0), 0, atol=1e-9)
    assert ((ratios >= 1) & (ratios <= 101)).all()


COUNTS = [
    *((make, name) for make in MAKERS for name in ("n_samples", "n_features")),
    (make_blobs, "centers"),
    (make_classification, "n_informative"),
    (make_classification, "n_redundant"),
    (make_classification, "n_repeated"),
    (make_classification, "n_classes"),
    (make_classification, "n_clusters_per_class"),
    (make_regression, "n_informative"),
    (make_regression, "n_targets"),
]


@pytest.mark.parametrize(("make", "name"), COUNTS)
def test_a_count_that_is_no_integer_raises(make, name):
    with pytest.raises(TypeError, match=rf"{name} must be an integer. Got True instead"):
        make(**{name: True})


@pytest.mark.parametrize(("make", "name"), COUNTS)
def test_a_count_that_is_too_small_raises(make, name):
    with pytest.raises(ValueError, match=rf"{name} must be at least [01]. Got -1 instead"):
        make(**{name: -1})


@pytest.mark.parametrize(
    ("make", "name", "value", "wanted"),
    [
        (make_blobs, "centers", [1, 2], r"an array of shape \(n_centers, n_features\)"),
        (make_blobs, "centers", [[1, 2], [3]], r"an array of shape \(n_centers, n_features\)"),
        (make_blobs, "centers", np.empty((0, 2)), r"an array of shape \(n_centers, n_features\)"),
        (make_blobs, "cluster_std", -1, "3 numbers, of at least 0"),
        (make_blobs, "cluster_std", [1, 1], "3 numbers, of at least 0"),
        (make_blobs, "center_box", (1, 0), r"\(min, max\)"),
        (make_blobs, "center_box", 1, r"two numbers \(min, max\)"),
        (make_classification, "weights", [0.2, 0.2, 0.6], "2 numbers of at least 0, or 1"),
        (make_classification, "weights", [1.5], "1 that add up to at most 1"),
        (make_classification, "weights", [0, 0], "2 numbers of at least 0"),
        (make_classification, "weights", [-1, 2], "2 numbers of at least 0"),
        (make_classification, "flip_y", 1.5, "a number from 0 to 1"),
        (make_classification, "flip_y", "much", "a number from 0 to 1"),
        (make_classification, "class_sep", -1, "a number of at least 0"),
        (make_classification, "class_sep", np.nan, "a number of at least 0"),
        (make_classification, "shift", [1, 2], "a number, 20 numbers or None"),
        (make_classification, "scale", [1, 2], "a number, 20 numbers or None"),
        (make_regression, "bias", [1, 2], "a number, or one for each target"),
        (make_regression, "noise", -1, "a number of at least 0"),
        *(
            (make, "random_state", value, "an int from 0 to")
            for make in MAKERS
            for value in (-1, "x")
        ),
    ],
)
def test_a_value_out_of_range_raises(make, name, value, wanted):
    with pytest.raises(ValueError, match=rf"{name} must be .*{wanted}.* Got .* instead"):
        make(**{name: value})


@each_maker
@pytest.mark.parametrize(
    "chunks", [0, -2, 1.5, (), (60, 60), (-10, 110), (50, "auto"), "much", {0: 10}, (2.5, 97.5)]
)
def test_chunks_that_do_not_fit_raise(make, chunks):
    with pytest.raises(ValueError, match=r"chunks must be a number of rows, .* Got .* instead"):
        make(100, chunks=chunks)


def test_more_useful_features_than_features_raise():
    with pytest.raises(ValueError, match=r"must be at most n_features. Got 2 \+ 2 \+ 1 > 4 instea"):
        make_classification(n_features=4, n_repeated=1)


def test_more_clusters_than_vertices_raise():
    with pytest.raises(
        ValueError, match=r"at most 2\*\*n_informative. Got 3 \* 2 > 2\*\*2 instead"
    ):
        make_classification(n_classes=3)


@each_maker
def test_the_arrays_are_plain_dask_arrays(make):
    X, y = make(100, 20, chunks=30)
    assert type(X) is type(y) is da.Array
    assert isinstance(X._meta, np.ndarray)
