"""Stand-in for Google's edgetpu_compiler 16.0, which runs only on x86-64 Linux: the same files and log.

It takes `-s -o FOLDER MODEL`, writes MODEL_edgetpu.tflite with one custom operator in place of the mapped
operators, and prints the log of the real compiler (https://github.com/google-coral/edgetpu/issues/671, 490
and 189). FAKE_EDGETPU chooses the outcome: ok, partial, streamed, crash, old or mute.
"""

import os
import sys
from collections import Counter
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}

DONE = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 512 ms.

Input model: {model}
Input size: 494.98KiB
Output model: {output}
Output size: 600.02KiB
On-chip memory used for caching model parameters: 5.90MiB
On-chip memory remaining for caching model parameters: 1.16MiB
Off-chip memory used for streaming uncached model parameters: {streamed}
Number of Edge TPU subgraphs: 1
Total number of operations: {total}
Operation log: {output}.log
{partial}
Operator                       Count      Status

{table}
Compilation child process completed within timeout period.
Compilation succeeded!
"""
PARTIAL = """
Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the \
model will instead run on the CPU, which is slower. If possible, consider updating your model to use only \
operations supported by the Edge TPU. For details, visit g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: {mapped}
Number of operations that will run on CPU: {left}
"""
OLD = """\
Edge TPU Compiler version 2.1.302470888
ERROR: Didn't find op for builtin opcode 'CONV_2D' version '5'
ERROR: Registration failed.

Invalid model: {model}
Model could not be parsed
"""


def compiled(data: bytes) -> tuple[bytes, Counter[str]]:
    """Return the model with one custom operator from input to output, and the counts of its operators."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    counts = Counter(NAMES[codes[op.opcodeIndex]] for op in graph.operators)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "edgetpu-custom-op"
    model.operatorCodes = [code]
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = graph.inputs, graph.outputs
    graph.operators = [operator]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output()), counts


def main() -> int:
    how = os.environ.get("FAKE_EDGETPU", "ok")
    assert how in {"ok", "partial", "streamed", "crash", "old", "mute"}
    assert sys.argv[1:3] == ["-s", "-o"]
    folder, model = Path(sys.argv[3]), Path(sys.argv[4])
    if how == "crash":
        print("Edge TPU Compiler version 16.0.384591198\n\nInternal compiler error. Aborting! ")
        return 1
    if how == "old":
        print(OLD.format(model=model), file=sys.stderr)
        return 1
    if how == "mute":
        return 0
    data, counts = compiled(model.read_bytes())
    output = folder / f"{model.stem}_edgetpu.tflite"
    output.write_bytes(data)
    rows = [(name, count, "Mapped to Edge TPU") for name, count in counts.items()]
    total = sum(counts.values())
    left = 0
    if how == "partial":
        left = counts["TANH"] + counts["RESIZE_BILINEAR"]
        reasons = {"TANH": "More than one subgraph is not supported"}
        reasons["RESIZE_BILINEAR"] = "Operation version not supported"
        rows = [(name, count, reasons.get(name, status)) for name, count, status in rows]
    table = "\n".join(f"{name:<30} {count:<10} {status}" for name, count, status in rows)
    partial = PARTIAL.format(mapped=total - left, left=left) if left else ""
    streamed = "41.75KiB" if how == "streamed" else "0.00B"
    print(
        DONE.format(model=model, output=output, total=total, partial=partial, table=table, streamed=streamed)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
