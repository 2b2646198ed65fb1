"""Evaluation of reward models on slates of items whose ratings are known."""

from eval.reward.pairs import RatedPairs, ScoreError, Scores
from eval.reward.protocol import judge
from eval.reward.report import RewardReport, evaluate_reward
from eval.reward.sources import score_model

__all__ = ["RatedPairs", "RewardReport", "ScoreError", "Scores", "evaluate_reward", "judge", "score_model"]
