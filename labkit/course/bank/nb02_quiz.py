"""The self-quiz of notebook 02."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "02",
    (
        Question(
            "Where are most weights of AlexNet, and where is most of its work?",
            (
                Choice("Both in the convolutions", "The convolutions hold about 4 of its 62 million parameters."),
                Choice(
                    "Weights in the dense layers, work in the convolutions",
                    "A dense layer uses each weight once per sample, a convolution at every output position.",
                ),
                Choice("Both in the dense layers", "They hold the weights, but use each of them only once per sample."),
            ),
            "b",
        ),
        Question(
            "Why does training need more memory than inference even with plain SGD?",
            (
                Choice(
                    "It keeps every layer's activations for BP, and a gradient for each weight",
                    "Inference can forget a layer's input as soon as its output is there.",
                ),
                Choice("It computes in float64", "Both are float32 here; precision does not differ between them."),
                Choice("Its batches are larger", "They often are, but at the same batch it needs more as well."),
            ),
            "a",
        ),
        Question(
            "The batch doubles. What doubles with it?",
            (
                Choice("Weights, activations and work", "All samples of a batch share one set of weights."),
                Choice("Weights and activations", "Weights do not depend on the batch; the work does."),
                Choice("Activations and work", "Each sample brings its own maps and its own products."),
            ),
            "c",
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
            "A layer has 37.8 million weights and 4,096 activations per sample. Which is larger at batch 128?",
            (
                Choice(
                    "The weights, by far",
                    "128 x 4,096 is about 0.5 million values: break-even lies beyond a batch of 9,000.",
                ),
                Choice("The activations", "Activations outweigh weights from a batch of 37.8 million / 4,096 on."),
                Choice("They are about equal", "That would be so at a batch of about 9,200."),
            ),
            "a",
        ),
    ),
)
