"""What is NumPy's own, and the same on every backend: dtypes, constants, errors, printing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import (
    ScalarType,
    base_repr,
    binary_repr,
    bool_,
    byte,
    cdouble,
    character,
    complex64,
    complex128,
    complexfloating,
    csingle,
    double,
    dtype,
    e,
    errstate,
    euler_gamma,
    exceptions,
    finfo,
    flexible,
    float16,
    float32,
    float64,
    floating,
    format_float_positional,
    format_float_scientific,
    generic,
    get_printoptions,
    geterr,
    half,
    iinfo,
    inexact,
    inf,
    int8,
    int16,
    int32,
    int64,
    int_,
    intc,
    integer,
    intp,
    isdtype,
    issubdtype,
    iterable,
    long,
    longlong,
    nan,
    newaxis,
    number,
    object_,
    pi,
    printoptions,
    promote_types,
    set_printoptions,
    seterr,
    short,
    signedinteger,
    single,
    str_,
    ubyte,
    uint,
    uint8,
    uint16,
    uint32,
    uint64,
    uintc,
    uintp,
    unsignedinteger,
    ushort,
)

from .common import is_array, numpy_dtype, on_host

__all__ = [
    "ScalarType",
    "array2string",
    "array_repr",
    "array_str",
    "base_repr",
    "binary_repr",
    "bool_",
    "byte",
    "can_cast",
    "cdouble",
    "character",
    "common_type",
    "complex64",
    "complex128",
    "complexfloating",
    "csingle",
    "double",
    "dtype",
    "e",
    "errstate",
    "euler_gamma",
    "exceptions",
    "finfo",
    "flexible",
    "float16",
    "float32",
    "float64",
    "floating",
    "format_float_positional",
    "format_float_scientific",
    "generic",
    "get_printoptions",
    "geterr",
    "half",
    "iinfo",
    "inexact",
    "inf",
    "int8",
    "int16",
    "int32",
    "int64",
    "int_",
    "intc",
    "integer",
    "intp",
    "iscomplexobj",
    "isdtype",
    "isrealobj",
    "isscalar",
    "issubdtype",
    "iterable",
    "long",
    "longlong",
    "min_scalar_type",
    "nan",
    "newaxis",
    "number",
    "object_",
    "pi",
    "printoptions",
    "promote_types",
    "result_type",
    "set_printoptions",
    "seterr",
    "short",
    "signedinteger",
    "single",
    "str_",
    "ubyte",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uintc",
    "uintp",
    "unsignedinteger",
    "ushort",
]


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Find the dtype of what is computed of these arrays, nodes, numbers and dtypes."""
    return np.result_type(*[numpy_dtype(x.dtype) if is_array(x) else x for x in arrays_and_dtypes])


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Test whether numbers of one dtype, or of a node or an array, may be converted to another."""
    return np.can_cast(numpy_dtype(from_.dtype) if is_array(from_) else from_, to, casting)


def common_type(*arrays: Any) -> Any:
    """Find the type of floating numbers that holds the numbers of all arrays."""
    return np.common_type(*[np.empty(0, numpy_dtype(x.dtype)) for x in arrays])


def min_scalar_type(a: Any, /) -> Any:
    """Find the smallest dtype that holds a number."""
    return np.min_scalar_type(on_host(a))


def isscalar(element: Any) -> bool:
    """Test whether this is a number or text, and not a node or an array."""
    return np.isscalar(element)


def iscomplexobj(x: Any) -> bool:
    """Test whether the dtype is complex."""
    return numpy_dtype(x.dtype).kind == "c" if is_array(x) else np.iscomplexobj(x)


def isrealobj(x: Any) -> bool:
    """Test whether the dtype is not complex."""
    return not iscomplexobj(x)


def array_repr(arr: Any, *args: Any, **keywords: Any) -> str:
    """Print the values as NumPy does, with `array(...)` around."""
    return np.array_repr(on_host(arr), *args, **keywords)


def array_str(a: Any, *args: Any, **keywords: Any) -> str:
    """Print the values as NumPy does."""
    return np.array_str(on_host(a), *args, **keywords)


def array2string(a: Any, *args: Any, **keywords: Any) -> str:
    """Print the values as NumPy does."""
    return np.array2string(on_host(a), *args, **keywords)
