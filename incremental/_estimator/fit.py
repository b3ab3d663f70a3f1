"""One call of `fit` or `partial_fit`, phase by phase."""

from __future__ import annotations

import copy
from typing import Any, Self

from incremental._data.blocks import Blocks, make_blocks
from incremental._data.containers import by_rows, is_lazy
from incremental._data.nearly_right import put_right
from incremental._engines.base import Engine
from incremental._engines.open import open_engine
from incremental._estimator.advice import warn_of_ignored
from incremental._estimator.callbacks import Task
from incremental._estimator.checks import check_data, check_target, check_weights
from incremental._estimator.parameters import check_validation_data, check_wrapper, new_model
from incremental._estimator.passes import Passes, errors_of, make_model
from incremental._learning.classes import find_classes, known_classes, needs_classes
from incremental._learning.interrupt import whole_blocks
from incremental._learning.learner import Learner
from incremental._pipelines.layout import known_of
from incremental._pipelines.parameters import of_last
from incremental._pipelines.passes import NO_ROWS
from incremental._pipelines.passes import Passes as StepPasses
from incremental._pipelines.target import who_needs_y
from incremental._pipelines.targets import note_dimensions, note_names, to_learn
from incremental._pipelines.tree import goes_on, is_tree, learning_steps
from incremental._planning.plan import Plan
from incremental._scoring import early_stopping as _validation
from incremental._scoring.scorers import find_scorer


class Fit:
    """One call of `fit` or `partial_fit`; `run` has a line for each phase.

    Parameters
    ----------
    wrapper : Incremental
        Has the parameters; is given what is learned.
    model : estimator
        Learns in place: the one that the wrapper has, or a new one.
    seed : int
        Draws the orders that the model sees, and the blocks that are held out.
    X, y
        The data.
    n_passes : int
        How many the model, or the last step of a pipeline, may make.
    validation_data : tuple or None
        X, y and weights to validate on, or None for each of them to hold out blocks; None does not
        validate.
    """

    def __init__(
        self,
        wrapper: Any,
        model: Any,
        seed: int,
        X: Any,
        y: Any,
        *,
        n_passes: int,
        validation_data: tuple | None = None,
    ):
        self._wrapper = wrapper
        self._model = model
        self._seed = seed
        self._X = put_right(X, "X")
        self._y = put_right(y, "y")
        self._n_passes = n_passes
        self._validation_data = validation_data
        #: The model that the wrapper has so far.
        self._former = vars(wrapper).get("estimator_")
        self._is_new = model is not self._former
        #: The steps that learn, by their names; "" is the last one, or the model itself.
        self._learning = learning_steps(model)
        #: All labels: first as they were given, then as they are known, then as they were found.
        self._classes: Any = None
        #: The parameters of ``partial_fit`` that have a value for each row, and the others.
        self._rows: dict[str, Any] = {}
        self._whole: dict[str, Any] = {}
        #: Decides when to stop, if there are `validation_data`: None is the score of the model.
        self._scorer: Any = None
        #: The steps that are told the classes.
        self._supervised: set[str] = set()

    @classmethod
    def anew(cls, wrapper: Any, X: Any, y: Any, validation_data: tuple) -> Self:
        """Return one that forgets what was learned; refuse parameters that cannot be."""
        check_wrapper(wrapper, X)
        check_validation_data(wrapper, X, *validation_data)
        model, seed = new_model(wrapper)
        return cls(
            wrapper,
            model,
            seed,
            X,
            y,
            n_passes=wrapper.max_iter,
            validation_data=validation_data if wrapper.early_stopping else None,
        )

    def run(self, fit_params: dict[str, Any]) -> None:
        """Learn; `fit_params` are parameters of ``partial_fit``, and `classes`."""
        blocks, held_out, collections = self._prepare(fit_params)
        with whole_blocks() as interrupt, open_engine(collections) as engine, interrupt.allowed():
            planned = engine.plan(blocks)
            self._find_classes(planned, engine)
            planned, validation = self._hold_out(planned, held_out, engine)
            task = self._begin()
            if self._is_new:
                note_dimensions(self._model, self._y, planned, engine)
            example = self._train_steps(planned, engine, task)
            learner, planned = self._make_learner(planned, example)
            if goes_on(self._model):
                passes = Passes(self._wrapper, learner, planned, engine, interrupt)
                passes.run(self._n_passes, validation, task)
                if validation is not None and held_out is None:
                    self._wrapper._in_one_batch = False  # it has not seen those held out
            else:  # the steps have learned all that there is
                make_model(self._wrapper, learner)
                self._wrapper.n_iter_ = 1
            note_names(self._wrapper.estimator_)
            task.end()

    @property
    def _stops_early(self) -> bool:
        return self._validation_data is not None

    # Before a block is read

    def _prepare(self, fit_params: dict[str, Any]) -> tuple[Blocks, Blocks | None, list[Any]]:
        """Return the blocks to learn from, those given to validate on, and all collections."""
        self._sort_out(fit_params)
        self._check()
        blocks, held_out = self._cut()
        self._know_classes()
        if self._is_new:
            warn_of_ignored(self._wrapper.estimator, self._stops_early and self._n_passes == 1)
        return blocks, held_out, [*blocks.collections, *(held_out.collections if held_out else [])]

    def _sort_out(self, fit_params: dict[str, Any]) -> None:
        """Tell apart classes, parameters with a value for each row, and others."""
        given = fit_params.pop("classes", None)
        params = self._wrapper._routed("fit", fit_params)
        given = params.pop("classes", given)  # of the last step, by its name
        self._classes = self._wrapper.classes if given is None else given
        self._supervised = {
            path
            for path, step in self._learning.items()
            if self._y is not None and needs_classes(step, self._classes is not None)
        }
        self._rows, self._whole = by_rows(params, self._X)

    def _check(self) -> None:
        """Refuse what can be known to fail."""
        wrapper, params = self._wrapper, {**self._rows, **self._whole}
        supervised = who_needs_y(self._model, self._is_new)
        if self._y is None and supervised is not None:
            raise ValueError(
                f"{supervised} requires y to be passed, but the target y is None. Pass y."
            )
        if self._validation_data is not None:
            X_val, y_val, _ = self._validation_data
            target = self._y if X_val is None else y_val
            self._scorer = _validation.check_scorer(wrapper, target is not None)
        elif wrapper.scoring is not None:
            find_scorer(wrapper, wrapper.scoring)  # which refuses an unknown name
        check_data(self._model, self._X, params, is_fitted=not self._is_new)
        check_target(self._model, self._y)
        check_weights(self._X, params, self._rows)

    def _cut(self) -> tuple[Blocks, Blocks | None]:
        """Return the blocks of the data, and of those to validate on if they were given."""
        blocks = make_blocks(self._X, self._y, self._rows)
        if not self._validation_data:
            return blocks, None
        return blocks, _validation.make_blocks_of(blocks, *self._validation_data)

    def _know_classes(self) -> None:
        """Find the classes that are known without a block."""
        if self._supervised:
            # Not every model tells those that it has learned (SelectFromModel).
            former = None if self._is_new else vars(self._wrapper).get("_classes")
            self._classes = known_classes(self._model, self._classes, self._y, former)

    # With an engine

    def _find_classes(self, planned: Plan, engine: Engine) -> None:
        """Find the classes in y, and how often each occurs where they are to be balanced."""
        if self._supervised:
            self._classes = find_classes(
                self._model, self._classes, self._y, planned, engine, self._wrapper.prefetch
            )

    def _hold_out(
        self, planned: Plan, given: Blocks | None, engine: Engine
    ) -> tuple[Plan, _validation.Validation | None]:
        """Return the blocks to learn from, and what validates on the others."""
        if not self._stops_early:
            return planned, None
        wrapper = self._wrapper
        if given is None:
            name = _validation.HELD_OUT
            planned, held_out = _validation.hold_out(
                planned, wrapper.validation_fraction, self._seed
            )
        else:
            name, held_out = _validation.GIVEN, engine.plan(given)
        validation = _validation.Validation(
            held_out,
            self._scorer,
            engine,
            wrapper.prefetch,
            wrapper.tol,
            wrapper.n_iter_no_change,
            name,
        )
        return planned, validation

    @property
    def _has_steps(self) -> bool:
        """Say whether there are steps to train before the last one."""
        return self._is_new and is_tree(self._model)

    def _begin(self) -> Task:
        """Begin what callbacks see of the fit; who knows how many passes a pipeline takes?"""
        former = self._former if self._is_new else None
        n_passes = None if self._has_steps else self._n_passes
        return Task.root(self._wrapper, former, n_passes, self._X, self._y, self._rows)

    def _train_steps(self, planned: Plan, engine: Engine, task: Task) -> Any:
        """Make the passes that train the steps of a new pipeline before the last one.

        Returns a row of X, if the first ones had to be read.
        """
        if not self._has_steps:
            return None
        passes = self._step_passes(planned, engine)
        untrained = "The steps before the last are not trained: call fit."
        with errors_of(planned, lambda: untrained):
            for learner, transformed in passes:
                self._train_side_by_side(learner, transformed, engine, task)
        # A view would keep all of them.
        return None if passes.first_rows is None else copy.deepcopy(passes.first_rows[:1])

    def _step_passes(self, planned: Plan, engine: Engine) -> StepPasses:
        return StepPasses(
            self._model,
            planned,
            engine,
            self._whole,
            self._seed,
            self._classes,
            self._wrapper.batch_size,
            known_of(self._X),
        )

    def _train_side_by_side(self, learner: Any, planned: Plan, engine: Engine, task: Task) -> None:
        """Make the pass in which steps learn that need nothing of each other."""
        step_task = task.begin("step", len(planned.blocks))
        with engine.train(learner, planned, prefetch=self._wrapper.prefetch) as turns:
            for turn in turns:
                block_task = step_task.begin("block", 0, {})
                turn.learn()
                block_task.end()  # whoever asks to stop: what comes after needs all of it
        if not learner.n_batches:
            raise ValueError(NO_ROWS)
        step_task.end()

    def _make_learner(self, planned: Plan, example: Any) -> tuple[Learner, Plan]:
        """Return who learns in the passes to come, and the blocks that it learns from."""
        model, whole = self._model, self._whole
        planned = to_learn(planned, model, of_last(model, self._rows))
        learner = Learner(
            model,
            self._seed,
            self._classes if "" in self._supervised else None,
            {name: whole[name] for name in of_last(model, whole)},
            planned.blocks.promise,
            self._wrapper.batch_size,
        )
        learner.is_new, learner.example = self._is_new, example
        if not is_lazy(self._y):
            learner.classes = None  # known_classes has compared all labels to them
        return learner, planned
