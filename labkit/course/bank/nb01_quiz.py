"""The self-quiz of notebook 01."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "01",
    (
        Question(
            "A training step costs about three times a forward pass. Which two parts make up the other two thirds?",
            (
                Choice(
                    "The loss of the batch and the update of the weights",
                    "Both touch every weight or output once: that is little.",
                ),
                Choice("Two more forward passes over the batch", "FP runs once; what it computed is kept."),
                Choice(
                    "Gradients of inputs and gradients of weights",
                    "BP and KU each use every product of the forward pass once more: FP + BP + KU = 3 x FP.",
                ),
            ),
            "c",
        ),
        Question(
            "A 28x28 input, a 3x3 filter, stride 2 and no padding: how many rows has the output?",
            (
                Choice("12", "That forgets the position before the first move: 12 moves give 13 positions."),
                Choice("13", "Room for moves is 25; 25 // 2 = 12 moves, and the position it started from."),
                Choice("14", "That rounds up: the last position would hang over the edge."),
            ),
            "b",
        ),
        Question(
            "The matrix of second derivatives has the eigenvalues 0.5 and 10. Which learning rate is stable?",
            (
                Choice("0.19", "It lies below 2 / 10 = 0.2, so even the steepest direction shrinks at every step."),
                Choice("0.21", "The steepest direction is multiplied by 1 - 0.21 x 10 = -1.1 at every step: it grows."),
                Choice("3.9", "That respects the flattest direction only (2 / 0.5 = 4); the steepest one explodes."),
            ),
            "a",
        ),
        Question(
            "The gradients of a batch are averaged. What does a batch of twice the size change about one step?",
            (
                Choice("It becomes twice as long", "It would if gradients were added; an average does not grow."),
                Choice("Its direction becomes less noisy", "The same expectation, with half the variance."),
                Choice("Nothing: it is an average either way", "The expectation stays; the noise around it shrinks."),
            ),
            "b",
        ),
        Question(
            "A gradient check of a convolution passes with a symmetric filter and a square input. What do you know?",
            (
                Choice("Nothing yet: mistakes may hide", "A mirrored filter or swapped sides make no difference here."),
                Choice("That the backward pass is right", "It is right for this input, and this input hides mistakes."),
                Choice("That the forward pass is right", "The check takes the forward pass as it is."),
            ),
            "a",
        ),
    ),
)
