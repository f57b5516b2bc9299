"""The catalogue: what each data set is, where it comes from, and by which bytes to know it.

A checksum stands here only where it is certain; `sha256=None` means that no published checksum is known, and `check`
says so beside the one it computes. Mean and standard deviation are per channel, of values scaled to [0, 1]; they are
stated so that standardising needs no pass over the data.
"""

from dataclasses import dataclass

from labkit.errors import LabError, suggest


@dataclass(frozen=True)
class FileRecord:
    """One published file: its name, size, SHA-256 (both None where not known for certain), and mirrors in order."""

    name: str
    bytes: int | None = None
    sha256: str | None = None
    urls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """One data set.

    origin     the page that describes it
    files      what is downloaded
    unpacked   other forms of the same data that are known by their bytes (unpacked files)
    train, test  official numbers of samples; test 0: no official split, `load` makes one
    shape      (C, H, W) that `load` gives unless asked otherwise
    labels     names of the classes; empty where the files themselves say them
    constants  where mean and std come from
    left_out   endings of names of files that are known not to decode, and are not counted as samples
    """

    name: str
    title: str
    licence: str
    origin: str
    shape: tuple[int, int, int]
    classes: int
    train: int
    test: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    constants: str
    labels: tuple[str, ...] = ()
    files: tuple[FileRecord, ...] = ()
    unpacked: tuple[FileRecord, ...] = ()
    left_out: tuple[str, ...] = ()


# Mean and deviation of ImageNet's training images: the usual choice for photographs whose own were not measured.
PHOTOGRAPHS = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

_MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_FASHION_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
)


def _files(mirrors: tuple[str, ...], *rows: tuple[str, int, str | None]) -> tuple[FileRecord, ...]:
    """A record per row (name, bytes, SHA-256), each to be had from every mirror."""
    return tuple(FileRecord(name, size, sha, tuple(mirror + name for mirror in mirrors)) for name, size, sha in rows)


DIGITS = Record(
    name="digits",
    title="Handwritten digits, 8x8 pixels, 16 grey levels (the test part of UCI's Optical Recognition of Handwritten "
    "Digits); shipped inside scikit-learn",
    licence="CC BY 4.0",
    origin="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    shape=(1, 8, 8),
    classes=10,
    train=1797,
    test=0,
    mean=(0.3053,),
    std=(0.3760,),
    constants="measured on all 1,797 images",
    labels=tuple("0123456789"),
)

MNIST = Record(
    name="mnist",
    title="MNIST handwritten digits, 28x28 pixels, 256 grey levels (LeCun, Cortes, Burges)",
    licence="CC BY-SA 3.0",
    origin="http://yann.lecun.com/exdb/mnist/",
    shape=(1, 28, 28),
    classes=10,
    train=60_000,
    test=10_000,
    mean=(0.1307,),
    std=(0.3081,),
    constants="of the 60,000 training images, as commonly published",
    labels=tuple("0123456789"),
    files=_files(
        _MNIST_MIRRORS,
        ("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    unpacked=_files(
        (),
        ("train-images-idx3-ubyte", 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ("train-labels-idx1-ubyte", 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        ("t10k-images-idx3-ubyte", 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        ("t10k-labels-idx1-ubyte", 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
)

FASHION_MNIST = Record(
    name="fashion_mnist",
    title="Fashion-MNIST, pictures of clothes in MNIST's format (Zalando Research)",
    licence="MIT",
    origin="https://github.com/zalandoresearch/fashion-mnist",
    shape=(1, 28, 28),
    classes=10,
    train=60_000,
    test=10_000,
    mean=(0.2860,),
    std=(0.3530,),
    constants="of the 60,000 training images, as commonly published",
    labels=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    files=_files(
        _FASHION_MIRRORS,
        ("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        ("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        ("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        ("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
)

CIFAR10 = Record(
    name="cifar10",
    title="CIFAR-10, colour pictures of 32x32 pixels (Krizhevsky, Nair, Hinton)",
    licence="none stated; cite Krizhevsky 2009, Learning multiple layers of features from tiny images",
    origin="https://www.cs.toronto.edu/~kriz/cifar.html",
    shape=(3, 32, 32),
    classes=10,
    train=50_000,
    test=10_000,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    constants="of the 50,000 training images, as commonly published",
    labels=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    files=(
        FileRecord(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
            ),
        ),
    ),
    unpacked=_files(
        (),
        ("data_batch_1.bin", 30_730_000, None),
        ("data_batch_2.bin", 30_730_000, None),
        ("data_batch_3.bin", 30_730_000, None),
        ("data_batch_4.bin", 30_730_000, None),
        ("data_batch_5.bin", 30_730_000, None),
        ("test_batch.bin", 30_730_000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ),
)

TINY_IMAGENET = Record(
    name="tiny_imagenet",
    title="Tiny ImageNet, 200 classes of ImageNet, 64x64 pixels, used at 56x56 (Stanford CS231n)",
    licence="ImageNet's terms of access: non-commercial research and education",
    origin="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    shape=(3, 56, 56),
    classes=200,
    train=100_000,
    test=10_000,
    **PHOTOGRAPHS,
    constants="ImageNet's, as commonly published",
    files=_files(
        ("http://cs231n.stanford.edu/",),
        ("tiny-imagenet-200.zip", 248_100_043, "6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821"),
    ),
)

DOGS_VS_CATS = Record(
    name="dogs_vs_cats",
    title="Dogs vs Cats, photographs of many sizes, used at 128x128 (Microsoft Research, Asirra; Kaggle)",
    licence="Microsoft's terms (Asirra): research and education; see the page",
    origin="https://www.microsoft.com/en-us/download/details.aspx?id=54765",
    shape=(3, 128, 128),
    classes=2,
    train=24_998,
    test=0,
    **PHOTOGRAPHS,
    constants="ImageNet's, as commonly published",
    labels=("cat", "dog"),
    files=_files(
        ("https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/",),
        ("kagglecatsanddogs_5340.zip", 824_887_076, None),
    ),
    unpacked=_files(
        (),
        (
            "kagglecatsanddogs_3367a.zip",
            824894548,
            "f9553e426bd725354ed3a27e3c6920caadb55c835d1ebd880d2e56d3f1fbb22b",
        ),
    ),
    left_out=("PetImages/Cat/666.jpg", "PetImages/Dog/11702.jpg"),
)

SYNTHETIC = Record(
    name="synthetic",
    title="Synthetic images: a smooth pattern per class plus noise; any shape, number of classes and samples",
    licence="none needed: made by labkit",
    origin="generated, sample by sample, from the seed",
    shape=(1, 28, 28),
    classes=10,
    train=10_000,
    test=0,
    mean=(0.0,),
    std=(1.0,),
    constants="by construction",
)

RECORDS = {
    record.name: record for record in (DIGITS, MNIST, FASHION_MNIST, CIFAR10, TINY_IMAGENET, DOGS_VS_CATS, SYNTHETIC)
}


def names() -> tuple[str, ...]:
    """The names that `load` knows, in the order of the catalogue."""
    return tuple(RECORDS)


def get(name: str) -> Record:
    """The record of this name; LabError with the closest name otherwise."""
    if name not in RECORDS:
        raise LabError(f"there is no data set {name!r}", suggest(name, RECORDS))
    return RECORDS[name]
