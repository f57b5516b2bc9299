"""The self-quiz of notebook 02."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "02",
    (
        Question(
            "Where are most weights of AlexNet, and where is most of its work?",
            (
                Choice(
                    "Weights in the convolutions, work in the dense layers",
                    "The other way round: the convolutions hold about 4 of its 62 million parameters.",
                ),
                Choice(
                    "Weights in the dense layers, work in the convolutions",
                    "A dense layer uses each weight once per sample, a convolution at every output position.",
                ),
                Choice(
                    "Both of them in the dense layers",
                    "They hold the weights, but use each of them only once per sample.",
                ),
            ),
            "b",
        ),
        Question(
            "Why does training need more memory than inference, even with plain SGD at the same batch?",
            (
                Choice("It computes in float64, inference in float32", "Both compute in float32 here."),
                Choice("It holds a copy of the weights for each sample", "All samples share one set of weights."),
                Choice("It keeps all activations, and gradients", "BP and KU need them after the forward pass."),
            ),
            "c",
        ),
        Question(
            "The batch doubles. What doubles with it?",
            (
                Choice("Activations and work", "Each sample brings its own maps and its own products."),
                Choice("Weights and activations", "Weights do not depend on the batch; the work does."),
                Choice("Weights, activations and work", "All samples of a batch share one set of weights."),
            ),
            "a",
        ),
        Question(
            "A convolution of 256 filters goes from one group to two. What happens to its weights (without biases)?",
            (
                Choice("They stay as many", "Each filter now reads half of the channels: half as many weights."),
                Choice("They halve", "As many filters, each with C / 2 channels instead of C."),
                Choice("They become a quarter", "That halves the filters as well, but all 256 are still there."),
            ),
            "b",
        ),
        Question(
            "A layer has 20 million weights and 4,000 activations per sample. Which are larger at batch 128?",
            (
                Choice("The activations", "They outweigh the weights from a batch of 20 million / 4,000 = 5,000 on."),
                Choice("They are about equal", "That would be so at a batch of 5,000."),
                Choice("The weights", "128 x 4,000 is about half a million values, against 20 million."),
            ),
            "c",
        ),
    ),
)
