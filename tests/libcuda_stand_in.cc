// A stand-in for libcuda.so.1 itself, for NVIDIA's Python bindings to load where there is no GPU: what
// they pass on, types and all, arrives here as it would there. For tests only, and no measure of one.
//
// Device memory is memory of the CPU, and a launch runs the kernels of cuda_ext/, built by g++.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#define API extern "C" __attribute__((visibility("default")))
typedef unsigned long long Pointer;
enum { OK = 0, WRONG_VALUE = 1, NOT_FOUND = 500 };

API int cuInit(unsigned flags) { return flags ? WRONG_VALUE : OK; }
API int cuDriverGetVersion(int *version) { return *version = 13050, OK; }
API int cuDeviceGetCount(int *count) { return *count = 1, OK; }
API int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, ordinal ? 101 : OK; }
API int cuDeviceGetName(char *name, int length, int) {
  return snprintf(name, (size_t)length, "stand-in, no GPU"), OK;
}
API int cuDeviceGetAttribute(int *value, int attribute, int) {
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : -1;
  return *value < 0 ? WRONG_VALUE : OK;
}
static unsigned flags_of_context = 0;
API int cuDevicePrimaryCtxSetFlags_v2(int, unsigned flags) { return flags_of_context = flags, OK; }
API int cuDevicePrimaryCtxRetain(void **context, int) {
  return *context = (void *)16, flags_of_context == 4 ? OK : WRONG_VALUE;
}
API int cuCtxSetCurrent(void *context) { return context == (void *)16 ? OK : 201; }
API int cuModuleLoadData(void **module, const void *image) {
  if (memcmp(image, "\x7f" "ELF", 4)) return 200;  // NVRTC's own code
  *module = dlopen(getenv("REDACT_TEST_LIBRARY"), RTLD_NOW);
  return *module ? OK : NOT_FOUND;
}
API int cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = dlsym(module, (std::string("shim_") + name).c_str());
  return *function ? OK : NOT_FOUND;
}
API int cuMemAlloc_v2(Pointer *at, size_t size) { return *at = (Pointer)malloc(size), OK; }
API int cuMemFree_v2(Pointer at) { return free((void *)at), OK; }
API int cuMemHostAlloc(void **at, size_t size, unsigned flags) {
  return *at = malloc(size), flags ? WRONG_VALUE : OK;
}
API int cuMemFreeHost(void *at) { return free(at), OK; }
API int cuMemGetInfo_v2(size_t *left, size_t *total) { return *left = *total = 1u << 30, OK; }
API int cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t size, void *) {
  return memcpy((void *)to, from, size), OK;
}
API int cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t size, void *) {
  return memcpy(to, (void *)from, size), OK;
}
API int cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t size, void *) {
  return memcpy((void *)to, (void *)from, size), OK;
}
API int cuMemsetD8Async(Pointer at, unsigned char value, size_t size, void *) {
  return memset((void *)at, value, size), OK;
}
static size_t streams = 100;
API int cuStreamCreate(void **stream, unsigned flags) {
  return *stream = (void *)++streams, flags == 1 ? OK : WRONG_VALUE;
}
API int cuStreamSynchronize(void *) { return OK; }
API int cuStreamDestroy_v2(void *stream) { return (size_t)stream > 100 ? OK : 400; }
API int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned across,
                       unsigned down, unsigned deep, unsigned shared, void *, void **given,
                       void **extra) {
  if (shared || extra || !given) return WRONG_VALUE;
  const unsigned size[6] = {x, y, z, across, down, deep};
  ((void (*)(const unsigned *, void **))function)(size, given);
  return OK;
}
static void *own(const std::string &name) {  // not another library's
  static Dl_info here;
  static void *self = dladdr((void *)&cuInit, &here) ? dlopen(here.dli_fname, RTLD_NOW) : nullptr;
  return dlsym(self, name.c_str());
}
API int cuGetProcAddress_v2(const char *name, void **found, int, unsigned long long, int *status) {
  // A call that was changed since has "_v2" behind its name in the library.
  *found = own(std::string(name) + "_v2");
  if (!*found) *found = own(name);
  if (status) *status = *found ? 0 : 1;
  return *found ? OK : NOT_FOUND;
}
