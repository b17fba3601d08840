"""What is known of PaddleOCR-VL on GPU servers, without having one: constants, each with its source."""

from __future__ import annotations

__all__ = [
    "CLIENT_CPU",
    "PAGES_PER_SECOND",
    "SHARE_OF_LIMIT",
    "assumptions",
]

PAGES_PER_SECOND = 1.22
"""Of one replica on one GPU: PaddleOCR-VL 1.0 on vLLM, one A100, as remembered from its technical report (arXiv 2510.14528). It
was measured through another client, on pages of OmniDocBench; newer GPUs should do more. Nothing was measured here on a GPU."""
SHARE_OF_LIMIT = 0.978
"""Of what the servers could do, with 64 replicas in a simulation (``benchmarks/throughput.py --part limit``)."""
CLIENT_CPU = 0.058 + 0.031
"""CPU seconds a page: the client with 64 pages at once (``benchmarks/client_cpu.py``), and setting pages upright
(``benchmarks/upright.py``). PP-DocLayout is not in it: it is thought to run on the GPU, where it takes 24 ms a page (an A100, as
its makers say in PaddleOCR#17837). On the processor it takes far longer."""


def assumptions(pages_per_second: float, replicas: int, gpus: int) -> tuple[str, ...]:
    """In words, with their sources."""
    rate = f"{pages_per_second:g} pages/s a replica, as you say."
    if pages_per_second == PAGES_PER_SECOND:
        rate = (
            f"{pages_per_second:g} pages/s a replica: PaddleOCR-VL on vLLM, one A100, from its technical report (arXiv "
            "2510.14528) as remembered; not measured here. Yours: --pages-per-second."
        )
    client = (
        f"The client takes {1000 * CLIENT_CPU:.0f} ms of CPU a page (benchmarks/client_cpu.py, upright.py); PP-DocLayout runs "
        "on the GPU (--device cuda), and is in the rate."
    )
    sent = (
        "Every page is sent, digital ones too. --text-layer keep sent 22 % of the tokens on digital reports "
        "(benchmarks/text_layer.py)."
    )
    return (
        rate,
        f"Replicas: {replicas} on {gpus} GPUs; more replicas than GPUs share a GPU's time and gain nothing.",
        f"{SHARE_OF_LIMIT:.1%} of the servers' limit is reached: simulated (benchmarks/throughput.py).",
        client,
        sent,
        "Chunks a page and their embedding are those measured here with the local parser.",
    )
