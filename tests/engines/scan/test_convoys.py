"""What is held on a cluster until all who travel together have submitted it."""

from dask.task_spec import Task, TaskRef

from incremental._engines.scan.convoys import agreeing, share
from incremental._engines.scan.merging import Group


def test_what_one_group_finds_again_is_held_by_whoever_is_the_first_to_submit_it():
    # Each needs one of the sources for itself, and both of them for their mean.
    graph = {
        "x0": Task("x0", list),
        "x1": Task("x1", set),
        "mean": Task("mean", max, TaskRef("x0"), TaskRef("x1")),
        "a0": Task("a0", min, TaskRef("x0"), TaskRef("mean")),
        "a1": Task("a1", min, TaskRef("x1"), TaskRef("mean")),
    }
    (found,) = share([Group(graph, [("a0",)]), Group(graph, [("a1",)])], [1, 1])
    assert found[0].held == found[1].held == {"x0", "x1", "mean"}


def test_groups_whose_orders_disagree_do_not_travel_together():
    there = [frozenset({0}), frozenset({1})]
    assert list(agreeing([there, there[::-1]])) == [{0: [0, 1]}, {1: [0, 1]}]
