"""The self-quiz of notebook 06."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "06",
    (
        Question(
            "Ranks have 10, 10 and 4 samples. With which weights do their mean gradients make that of the batch?",
            (
                Choice(
                    "10, 10 and 4, as there are samples", "That is the gradient of the sum of all losses, 24 times."
                ),
                Choice("5/12, 5/12 and 1/6", "Each sample counts once: the weights are the shares of the samples."),
                Choice("1/3 each, as there are ranks", "A sample of the third rank would count two and a half times."),
            ),
            "b",
        ),
        Question(
            "A ring all-reduce of the same vector on 64 ranks instead of 4. What does each rank send?",
            (
                Choice(
                    "About a third more", "2 × 63/64 of the vector instead of 2 × 3/4, in 126 messages instead of 6."
                ),
                Choice("About sixteen times as much", "Chunks are a sixteenth as long, and 21 times as many are sent."),
                Choice("About a sixteenth of it", "The chunks are, but many more of them pass through each rank."),
            ),
            "a",
        ),
        Question(
            "When is recursive doubling faster than the ring?",
            (
                Choice("Over links of low bandwidth", "Low bandwidth makes bytes dear: that is where the ring gains."),
                Choice(
                    "For vectors that are long", "Then bytes decide: lg p times the vector against less than twice."
                ),
                Choice("For vectors that are short", "lg p latencies instead of 2 (p − 1), and few values to send."),
            ),
            "c",
        ),
        Question(
            "Errors are averaged over all ranks, and one of them goes back with the mean. Why is that not SGD?",
            (
                Choice("Errors are larger than gradients", "Ten values for each sample: they are far smaller."),
                Choice("Its activations are its own", "A gradient sums error times activation, sample by sample."),
                Choice("It is SGD, but for rounding", "Rounding makes a ten-millionth. These weights are far from it."),
            ),
            "b",
        ),
        Question(
            "What does overlap hide?",
            (
                Choice("As much as is computed meanwhile", "The longer of the two remains, and what comes after."),
                Choice("All of the communication of a step", "The last bucket is complete only when BP is over."),
                Choice("Latency, but no bytes at all", "While the processor computes, both pass by unseen."),
            ),
            "a",
        ),
    ),
)
