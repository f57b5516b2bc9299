"""The self-quiz of notebook 07."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "07",
    (
        Question(
            "One server, eight workers. The server gets a network card that is twice as fast. What happens to a step?",
            (
                Choice("Nothing: workers do the computing", "With eight workers most of a step is spent at that card."),
                Choice(
                    "What waits at the server takes half as long",
                    "All that workers send and get goes through that card.",
                ),
                Choice("It takes half as long", "Computing does not get faster, nor does the latency."),
            ),
            "b",
        ),
        Question(
            "VGG16 is sharded over 16 servers, each array on one of them. How much of it is on the fullest one?",
            (
                Choice("About a sixteenth", "That would need arrays of equal size, or arrays that may be cut."),
                Choice("About three quarters", "Wherever fc1's weights are, there is 74 % of the network."),
                Choice("It depends on the placement", "Hardly: no placement cuts fc1."),
            ),
            "b",
        ),
        Question(
            "Four equal workers, asynchronous. How stale is the average update?",
            (
                Choice("0: nobody waits for old weights", "Not waiting is what makes them old."),
                Choice("1: each is one step behind", "Staleness counts updates, and three others make them."),
                Choice("3", "While one computes, each of the others updates once."),
            ),
            "c",
        ),
        Question(
            "ssp with bound 2. One of the workers is four times slower than the others. In the long run,",
            (
                Choice("all go at the slow one's speed", "Nobody can get further and further ahead of it."),
                Choice("the others go at their own speed", "Only for the first two steps: then they are held back."),
                Choice(
                    "the slow one is left out of the updates",
                    "Every gradient is applied; the others wait for it.",
                ),
            ),
            "a",
        ),
        Question(
            "At a learning rate that suits the synchronous run, the asynchronous one does more updates per second and "
            "ends with a worse accuracy. What follows?",
            (
                Choice("Asynchronous training is worse", "Lower the learning rate, then compare each at its best."),
                Choice("It needs more workers", "More workers make updates staler."),
                Choice(
                    "Nothing yet",
                    "Compare times to an accuracy, each with the learning rate that suits it.",
                ),
            ),
            "c",
        ),
    ),
)
