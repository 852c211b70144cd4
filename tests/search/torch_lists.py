"""PyTorch's lists of names beside gradcore's: writes the tables of docs/reference/torch.md.

    python tests/search/torch_lists.py docs/reference/torch.md

Each public name of PyTorch's modules below is here under the same name, or in `LEFT_OUT` with the
reason.
"""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["LEFT_OUT", "SECTIONS", "Section", "compared", "tables"]

START, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def is_class(x: Any) -> bool:
    return isinstance(x, type)


def is_function(x: Any) -> bool:
    return callable(x) and not isinstance(x, type)


class Section(NamedTuple):
    title: str
    theirs: str
    ours: str
    kind: Callable[[Any], bool]
    elsewhere: tuple[str, ...] = ()  # modules of gradcore that have some of the names


SECTIONS = [
    Section("Modules and losses", "torch.nn", "gradcore.nn", is_class),
    Section("Functions of networks", "torch.nn.functional", "gradcore", is_function),
    Section("Initialization", "torch.nn.init", "gradcore.nn.init", is_function),
    Section("Utilities", "torch.nn.utils", "gradcore.nn.utils", is_function),
    Section("Sequences", "torch.nn.utils.rnn", "gradcore.nn.utils.rnn", callable),
    Section("Optimizers", "torch.optim", "gradcore.optim", is_class),
    Section("Averages of weights", "torch.optim.swa_utils", "gradcore.optim.swa_utils", callable),
    Section("Schedules", "torch.optim.lr_scheduler", "gradcore.optim.lr_scheduler", is_class),
    Section("Distributions", "torch.distributions", "gradcore.distributions", callable),
    Section("Data", "torch.utils.data", "gradcore.data", callable),
    Section(
        "Functions",
        "torch",
        "gradcore",
        is_function,
        ("gradcore.linalg", "gradcore.special", "gradcore.fft", "gradcore.numpy"),
    ),
    Section("Linear algebra", "torch.linalg", "gradcore.linalg", is_function),
    Section("Special functions", "torch.special", "gradcore.special", is_function),
]

OLD = "old names that PyTorch itself advises against"
IN_PLACE = "in place: `x.value = ...`, or assign the result"
NO_SPARSE = "sparse, quantized and low-precision formats are not there"

# Of each section the reasons, and patterns of the names that they hold for.
LEFT_OUT: dict[str, dict[str, str]] = {
    "torch.nn": {
        "a layer that waits for its input to know its size: say the size": (
            "Lazy.*|Uninitialized.*"
        ),
        OLD: "Container|NLLLoss2d|CrossMapLRN2d",
        "windows at random places: few programs": "FractionalMaxPool.*",
        "one process holds one device": "DataParallel|SyncBatchNorm",
        "a softmax over clusters of rare classes: few programs": "AdaptiveLogSoftmaxWithLoss",
        "the product and the loss are two steps: `Linear`, `CrossEntropyLoss`": (
            "LinearCrossEntropy.*"
        ),
        "a base class without use by itself": "RNNCellBase",
    },
    "torch.nn.functional": {
        "internals": ("Optional|assert_int_or_pair|boolean_dispatch|.*has_torch.*|handle_torch.*"),
        IN_PLACE: ".*_",
        "`return_indices=True` gives the places": ".*_with_indices",
        "windows at random places: few programs": "fractional_max_pool.*",
        OLD: "upsample.*|conv_tbc",
        "`channel_shuffle`": "native_channel_shuffle",
        NO_SPARSE: "grouped_mm|scaled_.*mm",
        "the product and the loss are two steps": "linear_cross_entropy",
        "`nn.MultiheadAttention`": "multi_head_attention_forward",
    },
    "torch.nn.init": {
        f"{OLD}: those without the line at the end": ".*[a-z]",
    },
    "torch.nn.utils": {
        OLD: "clip_grad_norm",
        "layouts in memory are the backends' matter": "convert_conv.*",
        "fuses layers for use without training: not there": "fuse_.*",
        "weights computed from others: compute them in `forward`": ".*(spectral|weight)_norm",
        "no device for which it would save work": "skip_init",
    },
    "torch.optim": {
        NO_SPARSE: "SparseAdam",
    },
    "torch.distributions": {
        "not there yet; `Distribution` and `register_kl` take classes of your own": (
            "ContinuousBernoulli|ExponentialFamily|FisherSnedecor|GeneralizedPareto|"
            "HalfCauchy|InverseGamma|Kumaraswamy|LKJCholesky|LogisticNormal|"
            "LowRankMultivariateNormal|MixtureSameFamily|NegativeBinomial|"
            "OneHotCategoricalStraightThrough|Pareto|Relaxed.*|VonMises|Weibull|Wishart"
        ),
        "transforms beyond affine, exp, sigmoid and tanh; `Transform` takes classes of your own": (
            ".*Transform|biject_to|transform_to|identity_transform"
        ),
    },
    "torch.utils.data": {
        "`DataLoader(sampler=)` takes any iterable of indices": (
            "(Batch|Random|Sequential|Subset.*)?Sampler"
        ),
        "`DataLoader(rank=, world_size=)`": "DistributedSampler",
        "a dataset has a length here": "ChainDataset|IterableDataset",
        "a dictionary or tuple of arrays is a dataset": "StackDataset",
        "threads and not processes read ahead": "get_worker_info",
        "collating is `default_collate`": "default_convert",
        "pipes of data: of a package that has ended": (
            ".*DataPipe|DataChunk|.*validation.*|.*datapipe.*|non_deterministic"
        ),
    },
    "torch": {
        IN_PLACE: ".*_",
        "internals of PyTorch, its compiler and its libraries": (
            ""
            "(cudnn|miopen|mkldnn|fbgemm|native|sym|q|fake_quantize|quantized?|dequantize|import_ir|parse|batch_norm|autocast|clear_autocast|[gs]et_autocast|is_autocast|unify|unsafe|merge|embedding_renorm|thread_safe|prepare|profiler|choose|fused|compiled|init_num|is_anomaly|set_anomaly|is_vulkan|int_repr|hash_tensor|grid_sampler|affine_grid)_.*|"
            "classproperty|dequantize|fork|wait|typename|compile|cond|while_loop|vmap|"
            "int_repr|resolve_(conj|neg)|conj_physical|"
            "is_(conj|neg|inference.*|storage|distributed|signed|same_size|nonzero|warn.*|tensor)|"
            "grid_sampler|nonzero_static|quantize.*|empty_quantized|empty_(permuted|strided)|"
            "sym_.*|constant_pad_nd|norm_except_dim|max_pool1d_with_indices|feature_dropout|"
            "gru|lstm|rnn_(relu|tanh)|quantized_.*|conv_tbc|hash_tensor|split_with_sizes"
        ),
        "modes of the process: `use_backend`, `no_grad`, `detect_anomaly` are gradcore's": (
            "[gs]et_.*|use_deterministic.*|are_deterministic.*|is_deterministic.*|"
            "is_grad_enabled|seed|initial_seed"
        ),
        NO_SPARSE: (
            "sparse_.*|ccol_.*|crow_.*|.*_indices_copy|indices_copy|values_copy|[dh]smm|"
            "hspmm|smm|spmm|sspaddmm|saddmm|resize_as_sparse_"
        ),
        "copies of views: an op gives a new array anyway": (
            ".*_copy|slice_(inverse|scatter)|select_scatter|diagonal_scatter|as_strided.*|"
            "view_as_.*"
        ),
        OLD: (
            "ger|norm|range|chain_matmul|solve|symeig|triangular_solve|lu|lu_solve|lu_unpack|"
            "eig|cholesky.*|lstsq|qr|svd|orgqr|ormqr|geqrf|frobenius_norm|nuclear_norm|"
            "dist_.*|row_stack|trapz|fix|true_divide|pinverse|inverse|matrix_exp|matrix_rank"
        ),
        "`gradcore.asarray`, `TensorNode` and DLPack bring arrays in and out": (
            "as_tensor|from_numpy|frombuffer|from_file|to_dlpack|scalar_tensor|promote_types|"
            "is_complex|is_floating_point"
        ),
        "windows and transforms of signals: `gradcore.fft` has the transforms": (
            "bartlett_window|blackman_window|hamming_window|hann_window|kaiser_window|stft|istft"
        ),
        "draws by `gradcore.distributions`": "binomial|normal|poisson|randint_like",
        "two functions in one: call both": "std_mean|var_mean",
        "not there yet": (
            "cartesian_prod|combinations|complex|polar|cumulative_trapezoid|fill|"
            "index_reduce|lobpcg|pca_lowrank|svd_lowrank|segment_reduce|renorm|rsub|swapdims|"
            "adjoint|clamp_(max|min)|frexp|gcd|igammac?|lcm|ldexp|logdet|mvlgamma"
        ),
    },
    "torch.linalg": {
        "an error raises; there is no form that reports it in a number": ".*_ex",
        "few programs": "ldl_.*",
    },
    "torch.special": {
        "polynomials and functions of few programs": ".*",
    },
}


def compared(
    section: Section,
) -> tuple[dict[str, list[str]], list[str], dict[str, list[str]]]:
    """Compare a section's names.

    Returns:
        The names that both have, by the module of gradcore; those that only PyTorch has, and no
        reason; and for each reason the names that are left out.
    """
    theirs = import_module(section.theirs)
    places = {name: _module(name) for name in (section.ours, *section.elsewhere)}
    names = getattr(theirs, "__all__", None) if section.theirs != "torch" else None
    names = dir(theirs) if names is None else names
    both: dict[str, list[str]] = {place: [] for place in places}
    unexplained, left = [], dict[str, list[str]]()
    for name in sorted(names):
        x = getattr(theirs, name)
        if name.startswith("_") or isinstance(x, types.ModuleType) or not section.kind(x):
            continue
        if found := [place for place, ours in places.items() if hasattr(ours, name)]:
            both[found[0]].append(name)
            continue
        for reason, pattern in LEFT_OUT.get(section.theirs, {}).items():
            if re.fullmatch(pattern, name):
                left.setdefault(reason, []).append(name)
                break
        else:
            unexplained.append(name)
    return both, unexplained, left


def _module(name: str) -> Any:
    """Find a module, or one that is an attribute of another."""
    module = import_module("gradcore")
    for part in name.split(".")[1:]:
        module = getattr(module, part)
    return module


def tables() -> str:
    """Write the tables of all sections."""
    lines = []
    for section in SECTIONS:
        both, unexplained, left = compared(section)
        have = sum(map(len, both.values()))
        n = have + len(unexplained) + sum(map(len, left.values()))
        lines += ["", f"### {section.title}: {have} of {n} names of `{section.theirs}`", ""]
        for place, names in both.items():
            if names:
                lines += [f"In `{place}`: {_listed(names)}.", ""]
        if left:
            lines += ["| left out | why |", "| --- | --- |"]
            lines += [f"| {_listed(names)} | {reason} |" for reason, names in left.items()]
    return "\n".join(lines).strip() + "\n"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main(page: Path) -> None:
    before, _, rest = page.read_text("utf-8").partition(START)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{START}\n\n{tables()}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2])]
    from gradcore.tools.command_line import Parser

    parser = Parser(
        description="Write the lists of PyTorch's names in a page anew.",
        examples={"python tests/search/torch_lists.py docs/reference/torch.md": "a few seconds"},
    )
    parser.add_argument("page", type=Path, metavar="PAGE", help="the page with the lists")
    main(parser.parse_args().page)
