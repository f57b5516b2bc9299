"""Tables 5.13 and 5.14 of eserol-2019, digit by digit: the layers of VGG16, and volumes per epoch.

NETWORK_5_13: per line layer, output size, values that it keeps for one image, parameters without biases.
EPOCH_5_14: per line parts, batch, data parallelism GB, hypergraph partitioning GB, by how many percent that is less.
The thesis calls 2^30 bytes a GB. Its hypergraph column counts 2^30 feature-map values, not bytes:
`data_parallelism.py` puts both into one unit.
"""

NETWORK_5_13 = """
    INPUT  224x224x3   150K           0
    CONV1  224x224x64  3.2M       1,728
    CONV2  224x224x64  3.2M      36,864
    POOL1  112x112x64  800K           0
    CONV3  112x112x128 1.6M      73,728
    CONV4  112x112x128 1.6M     147,456
    POOL2  56x56x128   400K           0
    CONV5  56x56x256   800K     294,912
    CONV6  56x56x256   800K     589,824
    CONV7  56x56x256   800K     589,824
    POOL3  28x28x256   200K           0
    CONV8  28x28x512   400K   1,179,648
    CONV9  28x28x512   400K   2,359,296
    CONV10 28x28x512   400K   2,359,296
    POOL4  14x14x512   100K           0
    CONV11 14x14x512   100K   2,359,296
    CONV12 14x14x512   100K   2,359,296
    CONV13 14x14x512   100K   2,359,296
    POOL5  7x7x512     25K            0
    FC1    1x1x4096    4096 102,760,448
    FC2    1x1x4096    4096  16,777,216
    FC3    1x1x1000    1000   4,096,000
"""
MEMORY_MB_PER_IMAGE_5_13 = 93  # the last line's; its own rows add up to 58 MiB (15.2 million values of 4 bytes)
PARAMETERS_5_13 = 138_357_544  # with biases

EPOCH_5_14 = """
    2 16  4,123  107 97
    2 32  2,061  107 94
    2 64  1,030  107 89
    4 16 12,370  239 98
    4 32  6,185  239 96
    4 64  3,092  239 92
    8 16 28,863 1167 95
    8 32 14,431 1167 91
    8 64  7,215 1167 83
"""
MEAN_REDUCTION_PERCENT_5_14 = 93
MEAN_REDUCTION_PERCENT_IN_TEXT = 93.315  # section 5.1.8
IMAGES_5_14 = 64_000
