// What all kernels are written with. NVRTC compiles them for GPUs and g++ for the tests: the work of one thread is an
// ordinary function, and only the entries differ.

#ifdef __CUDACC__

#include <cuda_fp16.h>
typedef __half half_t;
#define THREAD static __device__ __forceinline__
#define ADD(counter, number) atomicAdd(&(counter), number)
#define MOST(number, other) atomicMax(&(number), other)
#define LEAST(number, other) atomicMin(&(number), other)
#define SHARED __shared__
#define TOGETHER __syncthreads()
// A task is read where it lies: without __grid_constant__ each thread would copy it.
// A thread for each place (x, y, z).
#define KERNEL(name, Task)                                                                                             \
    extern "C" __global__ void name(const __grid_constant__ Task task) {                                               \
        name##_thread(task, blockIdx.x * blockDim.x + threadIdx.x, blockIdx.y * blockDim.y + threadIdx.y, blockIdx.z); \
    }
// One block of threads that wait for each other where they meet `TOGETHER`.
#define BLOCK_KERNEL(name, Task)                                                             \
    extern "C" __global__ void name(const __grid_constant__ Task task) {                     \
        name##_block(task, threadIdx.y * blockDim.x + threadIdx.x, blockDim.x * blockDim.y); \
    }

#else

#include <algorithm>
#include <cmath>
typedef _Float16 half_t;
#define THREAD static
#define ADD(counter, number) __atomic_fetch_add(&(counter), number, __ATOMIC_RELAXED)
#define MOST(number, other) swap_where(number, other, [](auto one, auto two) { return two > one; })
#define LEAST(number, other) swap_where(number, other, [](auto one, auto two) { return two < one; })
#define SHARED static
template <class Number, class Test> static void swap_where(Number &number, Number other, Test better) {
    Number seen = __atomic_load_n(&number, __ATOMIC_RELAXED);
    while (better(seen, other) &&
           !__atomic_compare_exchange_n(&number, &seen, other, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}
#define KERNEL(name, Task)                                                       \
    extern "C" unsigned name##_bytes() { return sizeof(Task); }                  \
    extern "C" void name(const Task *task, int columns, int rows, int planes) {  \
        for (int z = 0; z < planes; z++)                                         \
            for (int y = 0; y < rows; y++)                                       \
                for (int x = 0; x < columns; x++) name##_thread(*task, x, y, z); \
    }
#ifdef THREADS  // so many, to find out what they do to each other
#include <barrier>
#include <thread>
#include <vector>
static std::barrier gate(THREADS);
#define TOGETHER gate.arrive_and_wait()
#else
#define TOGETHER
#endif
#define BLOCK_KERNEL(name, Task)                                \
    extern "C" unsigned name##_bytes() { return sizeof(Task); } \
    extern "C" void name(const Task *task, int, int, int) { RUN(name); }
#ifdef THREADS
#define RUN(name)                                                                                     \
    std::vector<std::thread> all;                                                                     \
    for (int i = 0; i < THREADS; i++) all.emplace_back([=] { name##_block(*task, i, THREADS); }); \
    for (auto &each : all) each.join()
#else
#define RUN(name) name##_block(*task, 0, 1)
#endif

#endif

// What all threads of a block do together: `i` is each place below `count` once.
#define EACH(i, count) for (int i = thread; i < (count); i += threads)

typedef unsigned char byte;

// Where a pixel's centre falls in a row of other pixels; of `between` by half-pixel convention, as cv2.INTER_LINEAR has it.
struct Between {
    int first, second;
    float share;  // of the second
};

THREAD Between between_at(float at, int length) {
    at = at < 0 ? 0 : at > length - 1 ? length - 1 : at;
    int first = (int)at;
    return {first, first + 1 < length ? first + 1 : first, at - first};
}

THREAD Between between(int place, float scale, int length) {
    return between_at((place + 0.5f) * scale - 0.5f, length);
}

THREAD float mix(float a, float b, float share) { return share == 0 ? a : a + (b - a) * share; }

THREAD int to_byte(float number) { return number < 0 ? 0 : number > 255 ? 255 : (int)(number + 0.5f); }
