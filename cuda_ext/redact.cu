// All kernels as one program: this file is what is compiled.
#include "compare.cuh"
#include "cover.cuh"
#include "heads.cuh"
#include "letterbox.cuh"
