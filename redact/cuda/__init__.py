"""
The GPU: device memory, the kernels of cuda_ext/, and frames that stay where the kernels run.

`driver` speaks to the GPU, `compiled` makes machine code of the sources, `surfaces` says how frames
lie in device memory, `kernels` launches those kernels that look; `reference` is what they compute.
"""
