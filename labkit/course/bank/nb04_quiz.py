"""The self-quiz of notebook 04."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "04",
    (
        Question(
            "In the data mapping, FP of a layer takes as long for 8 samples as for one. Why?",
            (
                Choice("The weights are in the cache by then", "Caches help, but not to the same time exactly."),
                Choice("Each sample has a block, and SMs are free", "Eight blocks run side by side on eight SMs."),
                Choice("Eight samples fit into one warp of threads", "Threads of a warp share a block, so a sample."),
            ),
            "b",
        ),
        Question(
            "A GPU with 100 places for blocks gets 101 equal blocks. How much of its places is used?",
            (
                Choice("Half of them, nearly", "Two waves have 200 places, and 101 of them are taken."),
                Choice("All, but for one", "In the first wave. The second has one block in 100 places."),
                Choice("One per cent of them", "That is the second wave alone."),
            ),
            "a",
        ),
        Question(
            "A layer has 384 filters and maps of 3x3. What is bad about the hybrid mapping there?",
            (
                Choice("It has too few blocks", "It has more than any other: a block per sample and channel."),
                Choice("It needs atomic additions in FP", "In KU it does; in FP nobody else writes its outputs."),
                Choice("Filters are copied for 9 uses", "Thousands of values are copied, and each is used nine times."),
            ),
            "c",
        ),
        Question(
            "From data to model, where do the loads of weights in FP go?",
            (
                Choice("They vanish", "Every product still needs its weight."),
                Choice("To shared memory", "Near and fast; from global memory each weight comes once."),
                Choice("To registers", "The teaching kernels keep only the sum there."),
            ),
            "b",
        ),
        Question(
            "Why is it no surprise that less time goes with less energy?",
            (
                Choice("Shared memory costs nothing", "It costs less than global memory, and not nothing."),
                Choice("A faster mapping needs fewer products", "All three do exactly the same products."),
                Choice("The GPU draws power while it waits", "Idle SMs and memory draw power as long as it takes."),
            ),
            "c",
        ),
    ),
)
