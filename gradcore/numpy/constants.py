"""What is NumPy's own, and the same on every backend: dtypes, constants, errors, printing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import (
    False_,
    ScalarType,
    True_,
    base_repr,
    binary_repr,
    bool_,
    byte,
    bytes_,
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
    ulong,
    ulonglong,
    unsignedinteger,
    ushort,
)

from .common import is_array, numpy_dtype, on_host

__all__ = [
    "False_",
    "ScalarType",
    "True_",
    "array2string",
    "array_repr",
    "array_str",
    "base_repr",
    "binary_repr",
    "bool_",
    "byte",
    "bytes_",
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
    "ulong",
    "ulonglong",
    "unsignedinteger",
    "ushort",
]


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Find the dtype of what is computed of these arrays, nodes, numbers and dtypes.

    Example:
        >>> x = TensorNode([1.0])
        >>> print(np.result_type(x, 2), np.result_type(x, np.float64))
        float32 float64
    """
    return np.result_type(*[numpy_dtype(x.dtype) if is_array(x) else x for x in arrays_and_dtypes])


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Test whether numbers of one dtype, or of a node or an array, may be converted to another.

    Example:
        >>> print(np.can_cast(TensorNode([1.0]), np.float64), np.can_cast(np.float64, np.int32))
        True False
    """
    return np.can_cast(numpy_dtype(from_.dtype) if is_array(from_) else from_, to, casting)


def common_type(*arrays: Any) -> Any:
    """Find the type of floating numbers that holds the numbers of all arrays.

    Example:
        >>> print(np.common_type(TensorNode([1.0]), np.array([1.0])) is np.float64)
        True
    """
    return np.common_type(*[np.empty(0, numpy_dtype(x.dtype)) for x in arrays])


def min_scalar_type(a: Any, /) -> Any:
    """Find the smallest dtype that holds a number.

    Example:
        >>> print(np.min_scalar_type(255), np.min_scalar_type(-1))
        uint8 int8
    """
    return np.min_scalar_type(on_host(a))


def isscalar(element: Any) -> bool:
    """Test whether this is a number or text, and not a node or an array.

    Example:
        >>> print(np.isscalar(2.0), np.isscalar(TensorNode(2.0)))
        True False
    """
    return np.isscalar(element)


def iscomplexobj(x: Any) -> bool:
    """Test whether the dtype is complex.

    Example:
        >>> print(np.iscomplexobj(TensorNode([1.0])), np.iscomplexobj([1j]))
        False True
    """
    return numpy_dtype(x.dtype).kind == "c" if is_array(x) else np.iscomplexobj(x)


def isrealobj(x: Any) -> bool:
    """Test whether the dtype is not complex.

    Example:
        >>> print(np.isrealobj(TensorNode([1.0])), np.isrealobj([1j]))
        True False
    """
    return not iscomplexobj(x)


def array_repr(arr: Any, *args: Any, **keywords: Any) -> str:
    """Print the values as NumPy does, with `array(...)` around.

    Example:
        >>> print(np.array_repr(TensorNode([1.0, 2.5])))
        array([1. , 2.5], dtype=float32)
    """
    return np.array_repr(on_host(arr), *args, **keywords)


def array_str(a: Any, *args: Any, **keywords: Any) -> str:
    """Print the values as NumPy does.

    Example:
        >>> print(np.array_str(TensorNode([1.0, 2.5])))
        [1.  2.5]
    """
    return np.array_str(on_host(a), *args, **keywords)


def array2string(a: Any, *args: Any, **keywords: Any) -> str:
    """Print the values as NumPy does.

    Example:
        >>> print(np.array2string(TensorNode([1.0, 2.5]), separator=", "))
        [1. , 2.5]
    """
    return np.array2string(on_host(a), *args, **keywords)
