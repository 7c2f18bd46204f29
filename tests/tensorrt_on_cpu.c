/* Lets TensorRT's own Python bindings drive a real parser and compiler where there is no GPU.
 *
 * The bindings call nine C functions of three TensorRT libraries. TensorRT for RTX exports the same
 * nine, its compiler needs no GPU, and its libraries come in a wheel. Built three times, under the
 * three names that the bindings look for, this file answers each call with the RTX function of the
 * same name. Every caller passes the version that it was built for, and the library refuses all but
 * its own; so it is asked for its own and given that.
 *
 * For tests only. CORE and PARSER are the paths of the two RTX libraries, given at compile time.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *function_of(const char *path, const char *name)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    void *function = library ? dlsym(library, name) : NULL;
    if (function == NULL) {
        fprintf(stderr, "tensorrt_on_cpu: %s: %s\n", name, dlerror());
        abort();
    }
    return function;
}

typedef void *(*FromOne)(void *, int32_t);
typedef void *(*FromTwo)(void *, void *, int32_t);
typedef void *(*FromNumber)(int32_t);
typedef void *(*FromNothing)(void);
typedef int32_t (*Version)(void);

static int32_t core_version(void)
{
    return ((Version)function_of(CORE, "getInferLibVersion"))();
}

void *createInferBuilder_INTERNAL(void *logger, int32_t version)
{
    (void)version;
    return ((FromOne)function_of(CORE, __func__))(logger, core_version());
}

void *createInferRuntime_INTERNAL(void *logger, int32_t version)
{
    (void)version;
    return ((FromOne)function_of(CORE, __func__))(logger, core_version());
}

void *createInferRefitter_INTERNAL(void *engine, void *logger, int32_t version)
{
    (void)version;
    return ((FromTwo)function_of(CORE, __func__))(engine, logger, core_version());
}

void *getBuilderPluginRegistry(int32_t capability)
{
    return ((FromNumber)function_of(CORE, __func__))(capability);
}

void *getPluginRegistry(void)
{
    return ((FromNothing)function_of(CORE, __func__))();
}

/* The parser's functions need the core's, which must be loaded first. */
int32_t getNvOnnxParserVersion(void)
{
    core_version();
    return ((Version)function_of(PARSER, __func__))();
}

void *createNvOnnxParser_INTERNAL(void *network, void *logger, int32_t version)
{
    version = getNvOnnxParserVersion();
    return ((FromTwo)function_of(PARSER, __func__))(network, logger, version);
}

void *createNvOnnxParserRefitter_INTERNAL(void *refitter, void *logger, int32_t version)
{
    version = getNvOnnxParserVersion();
    return ((FromTwo)function_of(PARSER, __func__))(refitter, logger, version);
}

/* The RTX libraries bring no plugins, and our networks use none. */
int32_t initLibNvInferPlugins(void *logger, const char *name_space)
{
    (void)logger;
    (void)name_space;
    return 1;
}
