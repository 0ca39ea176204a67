"""What a training method is: its settings, what it makes, and its trainer. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from fineline.resources.core.recipe.training import TrainingStage

if TYPE_CHECKING:
    from transformers import Trainer

S = TypeVar("S", bound=TrainingStage)


class Method(ABC, Generic[S]):
    """One way to train a model.

    ``settings`` is the class of its stages in a recipe, which also names the dataset that it trains on. ``makes``
    describes its model, for the asset. ``sides`` is how many texts the model reads for each row, and ``packed``
    whether rows are joined up to ``maximum_tokens``; both decide on the memory that it needs.
    """

    settings: ClassVar[type[TrainingStage]]
    makes: ClassVar[str]
    sides: ClassVar[int] = 1
    packed: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What a recipe writes as ``method``."""
        (name,) = get_args(self.settings.model_fields["method"].annotation)
        return str(name)

    @abstractmethod
    def trainer(self, stage: S, parts: dict[str, Any], arguments: dict[str, Any]) -> Trainer:
        """The trainer of a stage; called in the worker, where torch may be imported.

        ``parts`` are the model, tokenizer, rows, adapter and callbacks by TRL's names for them, ``arguments`` the
        training arguments that all stages share.
        """
