"""The self-quiz of notebook 00."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "00",
    (
        Question(
            "A table says 'modelled: 0.5 ms'. What do you know?",
            (
                Choice("A formula gave 0.5 ms", "It is as good as the assumptions behind the formula."),
                Choice("It took 0.5 ms on this machine", "That would be called 'measured here'."),
                Choice("A paper reports 0.5 ms for it", "That would be called 'claimed', with paper and table."),
            ),
            "a",
        ),
        Question(
            "The measured step took four times as long as the model said. What should you do with the model?",
            (
                Choice(
                    "Throw it away",
                    "It still says how long the arithmetic alone would take; the factor 4 is information.",
                ),
                Choice(
                    "Multiply it by 4 from now on",
                    "The factor belongs to this network and batch; elsewhere it differs.",
                ),
                Choice("Ask what it leaves out", "The gap is made of everything that the formula does not know."),
            ),
            "c",
        ),
        Question(
            "A network has 61,706 parameters in float32. How large are its weights?",
            (
                Choice("61.7 kB", "That would be one byte each; a float32 takes four."),
                Choice("246.8 kB", "61,706 x 4 bytes = 246,824 bytes."),
                Choice("493.6 kB", "That would be float64, eight bytes each."),
            ),
            "b",
        ),
        Question(
            "The batch is doubled. Which of a layer's sizes doubles with it?",
            (
                Choice("Its activations", "There is one output for each sample, so they double."),
                Choice("Its weights", "They belong to the network, and every sample uses the same ones."),
                Choice("Weights and activations", "Only one of them belongs to the samples."),
            ),
            "a",
        ),
        Question(
            "You see the result, then type another prediction. What does the ledger do?",
            (
                Choice("It puts the new one in place of the old one", "Every ledger would be perfect, and worthless."),
                Choice("It refuses the new one", "It is kept, but marked as late."),
                Choice("It keeps both; the old one counts", "What was said before the reveal is the prediction."),
            ),
            "c",
        ),
    ),
)
