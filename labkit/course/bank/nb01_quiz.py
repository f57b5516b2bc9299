"""The self-quiz of notebook 01."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "01",
    (
        Question(
            "A training step costs about three times a forward pass. Which two parts make up the other two thirds?",
            (
                Choice(
                    "The loss and the update of the weights", "Both touch every weight or output once: that is little."
                ),
                Choice(
                    "The gradients with respect to the inputs (BP) and to the weights (KU)",
                    "Each of them uses every product of the forward pass once more: FP + BP + KU = 3 x FP.",
                ),
                Choice("Two more forward passes", "The forward pass runs once; what it computed is kept."),
            ),
            "b",
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
            "A quadratic loss whose Hessian has the eigenvalues 0.5 and 10: which learning rate is stable?",
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
                Choice("The step is twice as long", "It would be if gradients were added; an average does not grow."),
                Choice(
                    "The direction is less noisy; its expected length is the same",
                    "An average over more samples has the same expectation and half the variance.",
                ),
                Choice("Nothing", "The expectation stays, but the noise of the average becomes smaller."),
            ),
            "b",
        ),
        Question(
            "A gradient check passes with a symmetric filter and a square input. What may still be wrong?",
            (
                Choice("Nothing: the numbers agree", "They agree for this input only, and this input hides mistakes."),
                Choice(
                    "The filter may be used unflipped, or height and width may be swapped",
                    "Symmetry makes both mistakes invisible. Check with ragged, random inputs.",
                ),
                Choice("Only the forward pass", "The check compares the backward pass with the forward pass as it is."),
            ),
            "b",
        ),
    ),
)
