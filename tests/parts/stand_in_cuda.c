// A driver without a GPU: libcuda.so.1 as pycuda and cuda-bindings want it, over ordinary memory and kernels that g++
// compiled.
//
// It keeps the rules that matter to a program: a stack of contexts for each thread; nothing in a stream happens before
// somebody waits for it, until then the target reads 0xCD; memory has an end; a kernel may write where memory was
// allocated and nowhere else; and an error that a real context would not survive is the answer to everything from then
// on, but for pushing and popping. There may be several devices, each with one context: what belongs to one is taken
// only while its context is current, which is stricter than CUDA. `stand_in` below is what a test may look at and change.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DONE = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_CONTEXT = 201, NO_IMAGE = 209, INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901,
    NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, UNKNOWN = 999,
};
enum { MAJOR = 75, MINOR = 76 };  // attributes of a device
enum { EARLY = 0xCD, FREED = 0xDD, DEEPEST = 64, MOST_DEVICES = 4, BLOCKING = 1, INFO_SIZE = 4, ERROR_SIZE = 6, ASLEEP = 4 };

typedef struct {
    long fatal;       // what a lost GPU answers; 0 while it is well
    long fatal_pop;   // and whether even a pop is refused
    long count, init_error, major, minor, processors;
    long room, held;  // bytes of GPU memory
    long pages, streams, events, modules, retained;  // that were not given back
    long uploaded, downloaded;                        // bytes
    long slept, spun;                                 // waits
    long meet, most_in_flight;
    long graphs, recorded, replayed;                  // not given back; made; launched
    long waits_asleep;                                // flags of the primary context
    long fatal_alone;                                 // 1 + the only device that is lost; 0: all are
    long uploads[MOST_DEVICES];                       // copies to each device
    char name[64];
} State;

State stand_in = {.count = 1, .major = 8, .minor = 6, .processors = 24, .room = 1L << 30, .name = "Test GPU"};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_met = PTHREAD_COND_INITIALIZER;
static long meeting, busy_streams, meetings;
static __thread void *stack[DEEPEST];
static __thread int depth;
static char contexts[2 * MOST_DEVICES];  // the primary ones, then one more of each device
static void *kernels;
static const char *refused;  // an image of kernels that holds none for this GPU
static size_t refused_size;

static int current(void) { return ((char *)stack[depth - 1] - contexts) % MOST_DEVICES; }
static long lost(int device) {
    return !stand_in.fatal_alone || stand_in.fatal_alone == 1 + device ? stand_in.fatal : DONE;
}

#define IN_CONTEXT                           \
    if (!depth) return INVALID_CONTEXT;      \
    if (lost(current())) return lost(current())
#define UNRECORDED                          \
    if (recording) {                        \
        recording->invalid = 1;             \
        return CAPTURE_UNSUPPORTED;         \
    }
#define OR_DEFAULT(stream) stream = stream ? stream : &by_default[current()]
#define OWN(thing) \
    if ((thing)->device != current()) return INVALID_HANDLE

static void count(long *what, long by) {
    pthread_mutex_lock(&mutex);
    *what += by;
    pthread_mutex_unlock(&mutex);
}

// Streams: what is put into one waits in a list, or while it records goes into a graph.

typedef void (*Callback)(void);
typedef void (*Kernel)(const void *task, int columns, int rows, int planes);
typedef struct Work {
    struct Work *next;
    Callback callback;
    Kernel kernel;
    int threads[3];
    void *target;
    const void *source;  // of a copy, or a kernel's task
    size_t size, rows, to_pitch, from_pitch;
    struct Stream *awaited;
} Work;
typedef struct {
    Work *first, **last;
    int device;
} Graph;
typedef struct Stream {
    Work *first, **last;
    struct Stream *next;
    int device;
    Graph *graph;  // while it records
    int invalid;   // what it records is, because its thread called what no graph can hold
} Stream;

static Stream *streams;
static __thread Stream *recording;
static Stream by_default[MOST_DEVICES];  // which NULL stands for
static int finish(Stream *stream);

__attribute__((constructor)) static void begin(void) {
    for (int i = 0; i < MOST_DEVICES; i++) {
        by_default[i] = (Stream){.last = &by_default[i].first, .next = streams, .device = i};
        streams = &by_default[i];
    }
}

// What a test calls.

int stand_in_depth(void) { return depth; }
int stand_in_current(void) { return current(); }
void stand_in_refuse(const char *image, size_t size) { refused = image, refused_size = size; }

// The device and its one context.

int cuInit(unsigned flags) {
    const char *error = getenv("STAND_IN_INIT_ERROR");
    return error && *error ? atoi(error) : stand_in.init_error;
}

int cuDriverGetVersion(int *version) { *version = 13000; return DONE; }
int cuDeviceGetCount(int *number) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    *number = visible && !*visible ? 0 : stand_in.count;
    return DONE;
}

int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal >= 0 && ordinal < stand_in.count ? DONE : INVALID_DEVICE; }
int cuDeviceGetName(char *name, int size, int device) { snprintf(name, size, "%s", stand_in.name); return DONE; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == MAJOR ? stand_in.major : attribute == MINOR ? stand_in.minor : stand_in.processors;
    return DONE;
}

int cuDeviceTotalMem_v2(size_t *size, int device) { *size = stand_in.room; return DONE; }

int cuDeviceComputeCapability(int *major, int *minor, int device) {
    *major = stand_in.major;
    *minor = stand_in.minor;
    return DONE;
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    count(&stand_in.retained, 1);
    *context = &contexts[device];
    return DONE;
}

int cuDevicePrimaryCtxRelease_v2(int device) { count(&stand_in.retained, -1); return DONE; }
int cuDevicePrimaryCtxRelease(int device) { return cuDevicePrimaryCtxRelease_v2(device); }
int cuDevicePrimaryCtxSetFlags_v2(int device, unsigned flags) { stand_in.waits_asleep = flags == ASLEEP; return DONE; }
int cuDevicePrimaryCtxSetFlags(int device, unsigned flags) { return cuDevicePrimaryCtxSetFlags_v2(device, flags); }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    *flags = stand_in.waits_asleep ? ASLEEP : 0;
    *active = stand_in.retained > 0;
    return DONE;
}

int cuCtxDetach(void *context) { return INVALID_CONTEXT; }  // of a primary one
int cuCtxGetDevice(int *device) { *device = depth ? current() : 0; return depth ? DONE : INVALID_CONTEXT; }

int cuCtxPushCurrent_v2(void *context) {
    if (depth == DEEPEST) return INVALID_VALUE;
    stack[depth++] = context;
    return DONE;
}

int cuCtxCreate_v2(void **context, unsigned flags, int device) {
    return cuCtxPushCurrent_v2(*context = &contexts[MOST_DEVICES + device]);
}


int cuCtxDestroy_v2(void *context) { return DONE; }

int cuCtxPopCurrent_v2(void **context) {
    if (!depth) return INVALID_CONTEXT;
    if (stand_in.fatal && stand_in.fatal_pop) return stand_in.fatal;
    *context = stack[--depth];
    return DONE;
}

// Memory: each allocation is in a list, so that one can be told from an address that is none.

typedef struct Block {
    struct Block *next;
    uint8_t *start;
    size_t size;
    int device;
} Block;

static Block *memory, *locked;

static Block **find(Block **list, const void *address, size_t size) {
    const uint8_t *start = address;
    for (; *list; list = &(*list)->next)
        if (start >= (*list)->start && start + size <= (*list)->start + (*list)->size) return list;
    return NULL;
}

static int allocate(Block **list, void **address, size_t size, size_t alignment) {
    Block *block = malloc(sizeof *block);
    if (posix_memalign(address, alignment, size)) return OUT_OF_MEMORY;
    memset(*address, EARLY, size);
    pthread_mutex_lock(&mutex);
    *block = (Block){*list, *address, size, current()};
    *list = block;
    pthread_mutex_unlock(&mutex);
    return DONE;
}

static long let_go(Block **list, void *address) {  // its size, or -1
    pthread_mutex_lock(&mutex);
    Block **found = find(list, address, 0);
    Block *block = found ? *found : NULL;
    if (block) *found = block->next;
    pthread_mutex_unlock(&mutex);
    if (!block) return -1;
    long size = block->size;
    memset(address, FREED, size);
    free(address);
    free(block);
    return size;
}

int stand_in_living(uintptr_t address, size_t size) {  // page-locked memory may be mapped
    pthread_mutex_lock(&mutex);
    int living = find(&memory, (void *)address, size) || find(&locked, (void *)address, size);
    pthread_mutex_unlock(&mutex);
    return living;
}

int stand_in_device_of(uintptr_t address) {  // whose memory that is; the current one's where it is nobody's
    pthread_mutex_lock(&mutex);
    Block **found = find(&memory, (void *)address, 0);
    int device = found ? (*found)->device : current();
    pthread_mutex_unlock(&mutex);
    return device;
}

int cuMemAlloc_v2(uintptr_t *address, size_t size) {
    IN_CONTEXT;
    UNRECORDED
    if (!size) return INVALID_VALUE;
    if (stand_in.held + (long)size > stand_in.room) return OUT_OF_MEMORY;
    count(&stand_in.held, size);
    return allocate(&memory, (void **)address, size, 256);
}

int cuMemFree_v2(uintptr_t address) {
    IN_CONTEXT;
    if (stand_in_device_of(address) != current()) return INVALID_VALUE;
    long size = let_go(&memory, (void *)address);
    if (size < 0) return INVALID_VALUE;
    count(&stand_in.held, -size);
    return DONE;
}

int cuMemHostAlloc(void **address, size_t size, unsigned flags) {
    IN_CONTEXT;
    UNRECORDED
    count(&stand_in.pages, 1);
    return allocate(&locked, address, size, 4096);
}

int cuMemFreeHost(void *address) {
    IN_CONTEXT;
    if (let_go(&locked, address) < 0) return INVALID_VALUE;
    count(&stand_in.pages, -1);
    return DONE;
}

int cuMemHostGetDevicePointer_v2(uintptr_t *there, void *address, unsigned flags) {
    *there = (uintptr_t)address;
    return DONE;
}

int cuMemGetInfo_v2(size_t *left, size_t *all) {
    IN_CONTEXT;
    *left = stand_in.room - stand_in.held;
    *all = stand_in.room;
    return DONE;
}

static Work *kept_of(const Work *work) {
    Work *kept = malloc(sizeof *kept);
    *kept = *work;
    kept->next = NULL;
    return kept;
}

static void put(Stream *stream, Work work) {
    Work *kept = kept_of(&work);
    if (stream->graph) {
        *stream->graph->last = kept;
        stream->graph->last = &kept->next;
        return;
    }
    pthread_mutex_lock(&mutex);
    if (!stream->first && ++busy_streams > stand_in.most_in_flight) stand_in.most_in_flight = busy_streams;
    *stream->last = kept;
    stream->last = &kept->next;
    pthread_mutex_unlock(&mutex);
}

int stand_in_recording(const Stream *stream) { return stream->graph != NULL; }
void stand_in_put(Stream *stream, Callback callback) { put(stream, (Work){.callback = callback}); }

static void meet(void) {  // so many threads have work in their streams at once before any goes on
    pthread_mutex_lock(&mutex);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    long turn = meetings;
    if (++meeting >= stand_in.meet) {
        meeting = 0;
        meetings++;
        pthread_cond_broadcast(&all_met);
    }
    while (turn == meetings && !pthread_cond_timedwait(&all_met, &mutex, &until)) {}
    pthread_mutex_unlock(&mutex);
}

static void work_off(Work *work, int device) {
    if (work->callback) {
        work->callback();
    } else if (work->kernel) {
        uintptr_t from, to;  // every task begins with these two
        memcpy(&from, work->source, sizeof from);
        memcpy(&to, (char *)work->source + sizeof from, sizeof to);
        int here = stand_in_living(from, 1) && stand_in_living(to, 1);
        here = here && stand_in_device_of(from) == device && stand_in_device_of(to) == device;
        if (!here) stand_in.fatal = ILLEGAL_ADDRESS;
        else work->kernel(work->source, work->threads[0], work->threads[1], work->threads[2]);
        free((void *)work->source);
    } else if (work->awaited) {
        finish(work->awaited);
    } else {
        for (size_t row = 0; row < work->rows; row++)
            memcpy((char *)work->target + row * work->to_pitch, (char *)work->source + row * work->from_pitch, work->size);
    }
    free(work);
}

static int finish(Stream *stream) {
    if (stream->first && stand_in.meet) meet();
    pthread_mutex_lock(&mutex);
    Work *work = stream->first;
    busy_streams -= work != NULL;
    stream->first = NULL;
    stream->last = &stream->first;
    pthread_mutex_unlock(&mutex);
    while (work && !lost(stream->device)) {
        Work *next = work->next;
        work_off(work, stream->device);
        work = next;
    }
    return lost(stream->device);
}

int cuStreamCreate(Stream **stream, unsigned flags) {
    IN_CONTEXT;
    *stream = calloc(1, sizeof **stream);
    (*stream)->last = &(*stream)->first;
    (*stream)->device = current();
    count(&stand_in.streams, 1);
    pthread_mutex_lock(&mutex);
    (*stream)->next = streams;
    streams = *stream;
    pthread_mutex_unlock(&mutex);
    return DONE;
}

int cuStreamDestroy_v2(Stream *stream) {
    IN_CONTEXT;
    OWN(stream);
    count(&stand_in.streams, -1);
    pthread_mutex_lock(&mutex);
    Stream **place = &streams;
    while (*place != stream) place = &(*place)->next;
    *place = stream->next;
    pthread_mutex_unlock(&mutex);
    free(stream);
    return DONE;
}

int cuStreamSynchronize(Stream *stream) {
    IN_CONTEXT;
    UNRECORDED
    OR_DEFAULT(stream);
    OWN(stream);
    count(&stand_in.spun, 1);
    return finish(stream);
}

int cuCtxSynchronize(void) {
    IN_CONTEXT;
    UNRECORDED
    for (Stream *stream = streams; stream; stream = stream->next)
        if (stream->device == current()) finish(stream);
    return lost(current());
}

int cuMemcpyHtoDAsync_v2(uintptr_t target, const void *source, size_t size, Stream *stream) {
    IN_CONTEXT;
    OWN(stream);
    if (!stand_in_living(target, size) || stand_in_device_of(target) != current()) return INVALID_VALUE;
    count(&stand_in.uploaded, size);
    count(&stand_in.uploads[current()], 1);
    put(stream, (Work){.target = (void *)target, .source = source, .size = size, .rows = 1});
    return DONE;
}

int cuMemcpyDtoHAsync_v2(void *target, uintptr_t source, size_t size, Stream *stream) {
    IN_CONTEXT;
    OWN(stream);
    if (!stand_in_living(source, size) || stand_in_device_of(source) != current()) return INVALID_VALUE;
    count(&stand_in.downloaded, size);
    memset(target, EARLY, size);
    put(stream, (Work){.target = target, .source = (void *)source, .size = size, .rows = 1});
    return DONE;
}

typedef struct {
    size_t x, y;
    unsigned kind;
    void *host;
    uintptr_t device;
    void *array;
    size_t pitch;
} Place;

int cuMemcpy2DAsync_v2(const struct { Place from, to; size_t width, height; } *copy, Stream *stream) {
    IN_CONTEXT;
    enum { HOST = 1, DEVICE = 2 };
    OR_DEFAULT(stream);
    OWN(stream);
    size_t bytes = copy->width * copy->height;
    char *ends[2];
    for (int i = 0; i < 2; i++) {
        const Place *end = i ? &copy->to : &copy->from;
        ends[i] = (end->kind == DEVICE ? (char *)end->device : end->host) + end->y * end->pitch + end->x;
        if (end->kind == DEVICE && !stand_in_living((uintptr_t)ends[i], end->pitch * (copy->height - 1) + copy->width))
            return INVALID_VALUE;
    }
    if (copy->from.kind == HOST) count(&stand_in.uploaded, bytes);
    if (copy->to.kind == HOST) count(&stand_in.downloaded, bytes);
    put(stream, (Work){.target = ends[1], .source = ends[0], .size = copy->width, .rows = copy->height,
                       .to_pitch = copy->to.pitch, .from_pitch = copy->from.pitch});
    return DONE;
}

int cuMemcpyDtoDAsync_v2(uintptr_t target, uintptr_t source, size_t size, Stream *stream) {
    IN_CONTEXT;
    OWN(stream);
    if (!stand_in_living(target, size) || !stand_in_living(source, size)) return INVALID_VALUE;
    put(stream, (Work){.target = (void *)target, .source = (void *)source, .size = size, .rows = 1});
    return DONE;
}

// Events: places in a stream, with a time.

typedef struct {
    Stream *stream;
    unsigned flags;
    double ms;
    int device;
} Event;

int cuEventCreate(Event **event, unsigned flags) {
    IN_CONTEXT;
    *event = calloc(1, sizeof **event);
    (*event)->flags = flags;
    (*event)->device = current();
    count(&stand_in.events, 1);
    return DONE;
}

int cuEventDestroy_v2(Event *event) {
    IN_CONTEXT;
    count(&stand_in.events, -1);
    free(event);
    return DONE;
}

int cuEventRecord(Event *event, Stream *stream) {
    IN_CONTEXT;
    OR_DEFAULT(stream);
    OWN(stream);
    OWN(event);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    event->stream = stream;
    event->ms = now.tv_sec * 1e3 + now.tv_nsec / 1e6;
    return DONE;
}

int cuStreamWaitEvent(Stream *stream, Event *event, unsigned flags) {
    IN_CONTEXT;
    OWN(stream);
    put(stream, (Work){.awaited = event->stream});
    return DONE;
}

int cuEventSynchronize(Event *event) {
    IN_CONTEXT;
    UNRECORDED
    count(event->flags & BLOCKING ? &stand_in.slept : &stand_in.spun, 1);
    return event->stream ? finish(event->stream) : DONE;
}

int cuEventElapsedTime_v2(float *ms, Event *start, Event *end) { *ms = end->ms - start->ms; return DONE; }

// Kernels: whatever is loaded, it is what g++ made of the same source.

typedef struct {
    Kernel run;
    unsigned (*task_bytes)(void);
    int device;
} Function;

int cuModuleLoadDataEx(void **module, const void *image, unsigned number, int *options, void **values) {
    for (unsigned i = 0; i < number; i++)
        if (options[i] == INFO_SIZE || options[i] == ERROR_SIZE) values[i] = NULL;  // nothing was written there
    IN_CONTEXT;
    if (refused_size && !memcmp(image, refused, refused_size)) return NO_IMAGE;
    if (!kernels && getenv("STAND_IN_KERNELS")) kernels = dlopen(getenv("STAND_IN_KERNELS"), RTLD_NOW);
    uint32_t magic;
    memcpy(&magic, image, sizeof magic);
    if (!kernels || (magic != 0xBA55ED50 && magic != 0x464C457F && !strstr(image, ".version"))) return NO_IMAGE;
    count(&stand_in.modules, 1);
    *module = kernels;
    return DONE;
}

int cuModuleUnload(void *module) { IN_CONTEXT; count(&stand_in.modules, -1); return DONE; }

int cuModuleGetFunction(Function **function, void *module, const char *name) {
    IN_CONTEXT;
    char bytes[64];
    snprintf(bytes, sizeof bytes, "%s_bytes", name);
    *function = calloc(1, sizeof **function);
    (*function)->device = current();
    (*function)->run = (Kernel)dlsym(module, name);
    (*function)->task_bytes = (unsigned (*)(void))dlsym(module, bytes);
    return (*function)->run ? DONE : NOT_FOUND;
}

int cuFuncSetBlockShape(Function *function, int x, int y, int z) { IN_CONTEXT; return DONE; }

int cuLaunchKernel(Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, Stream *stream, void **arguments, void **extra) {
    IN_CONTEXT;
    OWN(stream);
    OWN(function);
    size_t size = *(size_t *)extra[3];
    int possible = gx && gy && gz && gy <= 65535 && gz <= 65535 && bx && by && bz && bz <= 64 && bx * by * bz <= 1024;
    if (!possible || size != function->task_bytes()) return INVALID_VALUE;
    void *task = memcpy(malloc(size), extra[1], size);
    put(stream, (Work){.kernel = function->run, .threads = {gx * bx, gy * by, gz}, .source = task, .size = size});
    return DONE;
}

// Graphs: what a thread put into a stream while that recorded, to be put into one again and again.

int cuStreamBeginCapture_v2(Stream *stream, int mode) {
    IN_CONTEXT;
    OWN(stream);
    if (stream->graph || recording) return ILLEGAL_STATE;
    stream->graph = calloc(1, sizeof *stream->graph);
    stream->graph->last = &stream->graph->first;
    stream->graph->device = current();
    stream->invalid = 0;
    recording = stream;
    return DONE;
}

static void forget(Graph *graph) {
    for (Work *work = graph->first, *next; work; work = next) {
        next = work->next;
        if (work->kernel) free((void *)work->source);
        free(work);
    }
    free(graph);
}

int cuStreamEndCapture(Stream *stream, Graph **graph) {
    if (!stream->graph || recording != stream) return ILLEGAL_STATE;
    *graph = stream->graph;
    stream->graph = NULL;
    recording = NULL;
    if (stream->invalid) {
        forget(*graph);
        *graph = NULL;
        return CAPTURE_INVALIDATED;
    }
    count(&stand_in.graphs, 1);
    return lost(stream->device);
}

static Work *copied(const Work *work) {
    Work *copy = kept_of(work);
    if (work->kernel) copy->source = memcpy(malloc(work->size), work->source, work->size);
    return copy;
}

int cuGraphInstantiateWithFlags(Graph **made, const Graph *graph, uint64_t flags) {
    IN_CONTEXT;
    UNRECORDED
    OWN(graph);
    *made = calloc(1, sizeof **made);
    (*made)->last = &(*made)->first;
    (*made)->device = graph->device;
    for (const Work *work = graph->first; work; work = work->next) {
        *(*made)->last = copied(work);
        (*made)->last = &(*(*made)->last)->next;
    }
    count(&stand_in.graphs, 1);
    count(&stand_in.recorded, 1);
    return DONE;
}

int cuGraphLaunch(const Graph *graph, Stream *stream) {
    IN_CONTEXT;
    OWN(graph);
    OWN(stream);
    for (const Work *work = graph->first; work; work = work->next) {
        Work *copy = copied(work);
        put(stream, *copy);
        free(copy);
    }
    count(&stand_in.replayed, 1);
    return DONE;
}

int cuGraphDestroy(Graph *graph) {
    if (!graph) return INVALID_VALUE;
    count(&stand_in.graphs, -1);
    forget(graph);
    return DONE;
}

int cuGraphExecDestroy(Graph *graph) {
    IN_CONTEXT;
    OWN(graph);
    count(&stand_in.graphs, -1);
    forget(graph);
    return DONE;
}

// How cuda-bindings finds functions: by their names in the documentation, which stand for the newest of each.

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    Dl_info here;
    char newest[96];
    dladdr(cuInit, &here);
    void *self = dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    snprintf(newest, sizeof newest, "%s_v2", name);
    *function = dlsym(self, newest);
    if (!*function) *function = dlsym(self, name);
    if (status) *status = *function ? 0 : 1;
    return *function ? DONE : NOT_FOUND;
}

int cuGetErrorName(int error, const char **words) { *words = "CUDA_ERROR"; return DONE; }

int cuGetErrorString(int error, const char **words) {
    switch (error) {
        case INVALID_VALUE: *words = "invalid argument"; break;
        case OUT_OF_MEMORY: *words = "out of memory"; break;
        case 100: *words = "no CUDA-capable device is detected"; break;
        case INVALID_DEVICE: *words = "invalid device ordinal"; break;
        case INVALID_CONTEXT: *words = "invalid device context"; break;
        case INVALID_HANDLE: *words = "invalid resource handle"; break;
        case CAPTURE_UNSUPPORTED: *words = "operation not permitted when stream is capturing"; break;
        case CAPTURE_INVALIDATED: *words = "operation failed due to a previous error during capture"; break;
        case NO_IMAGE: *words = "no kernel image is available for execution on the device"; break;
        case NOT_FOUND: *words = "named symbol not found"; break;
        case ILLEGAL_ADDRESS: *words = "an illegal memory access was encountered"; break;
        case 719: *words = "unspecified launch failure"; break;
        case 803: *words = "system has unsupported display driver / cuda driver combination"; break;
        case UNKNOWN: *words = "unknown error"; break;
        default: *words = "operation not supported"; break;
    }
    return DONE;
}
