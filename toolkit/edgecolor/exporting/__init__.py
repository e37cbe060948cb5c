"""Export a .keras network to a verified one-file model.

`pipeline.py` is the sequence of steps. One value grows through the stages of `stages.py`:

    Converted   conversion.py        a child process (converter_process.py) rounds the kernels and converts
    Corrected   bias_correction.py   the mean shift of int8 is removed
    Assessed    gates.py, repair.py  the graph is verified, fidelity measured; int8 that misses its gate is
    repaired Packed      packing.py           description and golden vectors are added; edge_tpu.py compiles
"""
