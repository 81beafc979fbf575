// A Vulkan driver that hands every call on to the driver at POGO_DRIVER until wait number POGO_LOST_AT of
// the process: that wait and all later ones find their device lost, as after a reset. From then on there is no
// memory for what POGO_FULL_AFTER says: "model" for the buffers of a model, "open" for those that wgpu itself
// makes as it opens a device.

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void (*Function)(void);

enum { OUT_OF_DEVICE_MEMORY = -2, DEVICE_LOST = -4, STORAGE = 0x20, INDIRECT = 0x100 };

struct BufferCreateInfo {
    uint32_t type;
    const void *next;
    uint32_t flags;
    uint64_t size;
    uint32_t usage;
};

static Function (*device_function)(void *, const char *);
static int (*wait_semaphores)(void *, const void *, uint64_t);
static int (*wait_fences)(void *, uint32_t, const void *, uint32_t, uint64_t);
static int (*create_buffer)(void *, const struct BufferCreateInfo *, const void *, void *);
static void *lost;

static int is_lost(void *device) {
    static int waits;
    if (++waits == atoi(getenv("POGO_LOST_AT"))) {
        lost = device;
    }
    return device == lost;
}

static int my_wait_semaphores(void *device, const void *info, uint64_t timeout) {
    return is_lost(device) ? DEVICE_LOST : wait_semaphores(device, info, timeout);
}

static int my_wait_fences(void *device, uint32_t count, const void *fences, uint32_t all, uint64_t timeout) {
    return is_lost(device) ? DEVICE_LOST : wait_fences(device, count, fences, all, timeout);
}

static int is_refused(uint32_t usage) {
    const char *full = getenv("POGO_FULL_AFTER");
    if (!lost || !full) {
        return 0;
    }
    int of_wgpu = (usage & INDIRECT) != 0, of_model = (usage & STORAGE) && !of_wgpu;
    return strcmp(full, "open") ? of_model : of_wgpu;
}

static int my_create_buffer(void *device, const struct BufferCreateInfo *info, const void *allocator, void *buffer) {
    return is_refused(info->usage) ? OUT_OF_DEVICE_MEMORY : create_buffer(device, info, allocator, buffer);
}

static Function my_device_function(void *device, const char *name) {
    Function function = device_function(device, name);
    if (!function) {
        return function;
    }
    if (!strcmp(name, "vkWaitSemaphores") || !strcmp(name, "vkWaitSemaphoresKHR")) {
        wait_semaphores = (void *)function;
        return (Function)my_wait_semaphores;
    }
    if (!strcmp(name, "vkWaitForFences")) {
        wait_fences = (void *)function;
        return (Function)my_wait_fences;
    }
    if (!strcmp(name, "vkCreateBuffer")) {
        create_buffer = (void *)function;
        return (Function)my_create_buffer;
    }
    return function;
}

static void *driver(const char *name) {
    static void *library;
    if (!library) {
        library = dlopen(getenv("POGO_DRIVER"), RTLD_NOW);
    }
    return library ? dlsym(library, name) : NULL;
}

Function vk_icdGetInstanceProcAddr(void *instance, const char *name) {
    Function (*find)(void *, const char *) = driver("vk_icdGetInstanceProcAddr");
    Function function = find ? find(instance, name) : NULL;
    if (function && !strcmp(name, "vkGetDeviceProcAddr")) {
        device_function = (void *)function;
        return (Function)my_device_function;
    }
    return function;
}

Function vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
    Function (*find)(void *, const char *) = driver("vk_icdGetPhysicalDeviceProcAddr");
    return find ? find(instance, name) : NULL;
}

int vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    int (*negotiate)(uint32_t *) = driver("vk_icdNegotiateLoaderICDInterfaceVersion");
    return negotiate ? negotiate(version) : -1;
}
