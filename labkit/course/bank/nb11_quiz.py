"""The self-quiz of notebook 11."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "11",
    (
        Question(
            "A map of part 0 is read by 10 filters in part 1 and by 3 in part 2. How often is it sent?",
            (
                Choice("Twice", "Once to each part that reads it; inside a part the filters share the copy."),
                Choice("13 times", "That is what the edges of the graph say. A part needs only one copy."),
                Choice("Three times", "Lambda is 3, but the copy of part 0 does not travel."),
            ),
            "a",
        ),
        Question(
            "In the coarse grain, what are the pins of a map's net?",
            (
                Choice("All filters that read the map, and no other", "Its maker is missing: where does it come from?"),
                Choice("Its maker, and all filters that read it", "One maker, and everybody who needs the map."),
                Choice("All filters of both layers", "Every map has a net of its own, with one maker."),
            ),
            "b",
        ),
        Question(
            "In the fine grain a filter's channels are vertices of their own. What else is new?",
            (
                Choice("Maps cost more", "They have as many values as before."),
                Choice("Maps are sent to every channel", "To every part with a channel that reads the map."),
                Choice("Sums, and nets of partial sums", "Channels in other parts send what they have added up."),
            ),
            "c",
        ),
        Question(
            "Why is there a balance constraint?",
            (
                Choice("Else one part would get everything", "Nothing is sent then, and nothing gained."),
                Choice("Partitioners run faster with it", "It makes the problem harder, if anything."),
                Choice("It makes the volume that is sent smaller", "It can only make it larger: it forbids plans."),
            ),
            "a",
        ),
        Question(
            "What does engine 'counts' know that a general partitioner has to find out?",
            (
                Choice("Which maps are large", "Every engine sees the costs of the nets."),
                Choice("The filters of a layer are alike", "So only how many of them a part has makes a difference."),
                Choice("Where the network begins", "No engine needs to know that."),
            ),
            "b",
        ),
    ),
)
