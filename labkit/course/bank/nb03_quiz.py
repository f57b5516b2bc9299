"""The self-quiz of notebook 03."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "03",
    (
        Question(
            "A convolution of 64 filters, batch 32. How many blocks has the hybrid mapping?",
            (
                Choice("32 blocks", "That is the data mapping: a block for each sample."),
                Choice("64 blocks", "That is the model mapping: a block for each filter."),
                Choice("2,048 blocks", "A block for each sample and filter: 32 x 64."),
            ),
            "c",
        ),
        Question(
            "All threads of a block write a value each into shared memory, then read a neighbour's. What is needed?",
            (
                Choice(
                    "A barrier after the writing",
                    "All of the block wait there, so every value has been written when the first is read.",
                ),
                Choice("Nothing: they run together", "Only the threads of a warp do, nearly. A block has more."),
                Choice("An atomic addition for each", "Nobody adds anything here; the question is who comes first."),
            ),
            "a",
        ),
        Question(
            "In which mapping does KU need atomic additions?",
            (
                Choice("In model only", "There one block has the filter and all samples: nobody else writes it."),
                Choice("In data and hybrid", "Blocks with different samples add to the same weights."),
                Choice("In none of the three", "Where the samples are divided, several blocks meet in each weight."),
            ),
            "b",
        ),
        Question(
            "32 threads of a warp read x[n, c, h, w] with neighbouring w. How many sectors of 32 bytes at least?",
            (
                Choice("32, one for each thread", "That would be threads that read far from one another."),
                Choice("4, each for 8 threads", "32 values of 4 bytes side by side are 128 bytes: four sectors."),
                Choice("1, for the whole warp", "A sector has 32 bytes: eight values."),
            ),
            "b",
        ),
        Question(
            "A kernel gives the right numbers in every test. May it still have a race?",
            (
                Choice("No: a race shows in the result", "Only where the order of the threads is the bad one."),
                Choice("Only with shared memory", "Blocks race in global memory just as well."),
                Choice("Yes: the order was lucky", "Another GPU, another size, another day: another order."),
            ),
            "c",
        ),
    ),
)
