"""Recognises networks that godeeper does not support, by the names of their tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable

NOT_YET = "reading these is not supported yet; expected weights of Inception v3"

LONGEST = 512

KNOWN = (
    (r"inception3a\.branch1\.conv\.weight$", f"weights of GoogLeNet with torchvision's names; {NOT_YET}"),
    (r"(^|/)mixed3a_1x1_w$", f"weights of GoogLeNet as Google released it in 2015 (inception5h); {NOT_YET}"),
    (r"inception_3a/1x1", f"weights of GoogLeNet with Caffe's names; {NOT_YET}"),
    (r"InceptionV1/Mixed_3b/", f"weights of GoogLeNet with slim's names; {NOT_YET}"),
    (r"features\.3\.conv\.conv\.weight$", f"weights of Inception v4 with timm's names; {NOT_YET}"),
    (r"InceptionV4/Mixed_3a/", f"weights of Inception v4 with slim's names; {NOT_YET}"),
    (r"mixed_5b\.branch0\.conv\.weight$|block35_1_conv|InceptionResnetV2/", "Inception-ResNet v2"),
    (r"inception_3a_1x1\.weight$", "BN-Inception (Inception v2)"),
    (r"InceptionV2/", "Inception v2 with slim's names"),
    (r"layer1\.0\.conv1\.weight$|conv2_block1_1_conv|resnet_v[12]_", "a ResNet"),
    (r"block1_conv1|features\.0\.weight$", "perhaps VGG or AlexNet"),
    (r"block2_sepconv1", "Xception"),
    (r"MobilenetV[123]/|conv_dw_1|expanded_conv", "a MobileNet"),
    (r"_blocks\.0\._depthwise_conv|block1a_dwconv|blocks\.0\.0\.conv_dw", "an EfficientNet or MobileNet"),
    (r"denseblock1|conv2_block1_0_bn", "a DenseNet"),
    (r"encoder\.layers?\.0\.|blocks\.0\.attn\.", "a transformer"),
)
"""(Pattern of a tensor name, network that has it); the first match counts."""


def known_network(names: Iterable[str]) -> str:
    """The network with these tensor names, with advice if godeeper has its blueprint; empty if it is not known."""
    listed = [name for name in names if len(name) < LONGEST]
    for pattern, what in KNOWN:
        found = next((name for name in listed if re.search(pattern, name)), None)
        if found:
            return f"{what} (it has {found})" if NOT_YET in what else what
    return ""
