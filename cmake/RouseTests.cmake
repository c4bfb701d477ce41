# SPDX-License-Identifier: MIT
#
# Tests, found by their place. A test is a program that prints TAP and whose exit status says
# whether it passed; 77 means that this machine cannot run it. The label is the folder's name.
#
#   tests/unit/test_NAME.c     the static library and src/ headers; other files of the folder are
#                              part of each test; test_http_* also has httpd_core, and test_top_*
#                              rouse_core; test_tls a second time, as test_tls_lto
#   tests/stress/*.c           as unit, with a longer limit
#   tests/fault/fault_NAME.c   as unit; other files of the folder are part of each test; fault_http
#                              also has httpd_core, and libc's calls that httpd makes can fail too;
#                              ROUSE_TEST_FULL=1 in the environment leaves no case out
#   tests/api/NAME.c           compiled twice, for fibers and for async frames, against the shared
#                              library, and linked with tests/harness/*.c into api_NAME;
#                              ROUSE_TEST_REACTORS in the environment names what they run on
#   tests/blackbox/NAME.sh     run with ROUSE_BUILD_DIR in its environment; NAME.c is a program that
#                              they use, tests/blackbox_NAME, without rouse
#   tests/browser/NAME.sh      as these, with a browser; what scripts/fetch-tools.sh gets for them
#                              lies in the build; the label is slow
#   tests/fuzz/fuzz_NAME.c     a libFuzzer target, in the preset "fuzz" only (clang); its inputs to
#                              begin with lie in tests/fuzz/corpus/NAME; libraries as for unit
#   tests/tidy                 the rules of STYLE.md that a tool can check
#
# A folder with a CMakeLists.txt of its own (tests/model, say) is left to it.
set(rouse_tests_dir "${PROJECT_SOURCE_DIR}/tests")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")

# What a test is started with: an emulator where the programs are another machine's. And
# ThreadSanitizer of the compilers we build with needs a fixed memory layout where the kernel
# randomizes many bits of it.
set(rouse_test_prefix ${CMAKE_CROSSCOMPILING_EMULATOR})
if("thread" IN_LIST ROUSE_SANITIZE)
    find_program(ROUSE_SETARCH setarch)
    if(ROUSE_SETARCH)
        execute_process(COMMAND "${ROUSE_SETARCH}" -R true
            RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
        if(NOT failed)
            set(rouse_test_prefix "${ROUSE_SETARCH}" -R)
        endif()
    endif()
endif()

# Sanitizers and emulators slow a test down by about ten, and counters that threads share do too.
set(rouse_test_time 1)
if(ROUSE_SANITIZE OR CMAKE_CROSSCOMPILING_EMULATOR OR CMAKE_C_FLAGS_DEBUG MATCHES "--coverage")
    set(rouse_test_time 4)
endif()

set(rouse_test_environment
    "ROUSE_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "ROUSE_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "ROUSE_TEST_SLOWNESS=${rouse_test_time}"
    # A machine that is busy with other tests makes polls long; the tests that want reports ask.
    "ROUSE_STALL_MS=0")
if(CMAKE_CROSSCOMPILING_EMULATOR)
    list(APPEND rouse_test_environment "ROUSE_TEST_EMULATED=1")
endif()
if("thread" IN_LIST ROUSE_SANITIZE)
    # By default each process waits for a second at its end, and a test program has dozens.
    list(APPEND rouse_test_environment "TSAN_OPTIONS=atexit_sleep_ms=0")
endif()

# rouse_add_test(name label seconds command...)
function(rouse_add_test name label seconds)
    math(EXPR timeout "${seconds} * ${rouse_test_time}")
    add_test(NAME ${name} COMMAND ${rouse_test_prefix} ${ARGN})
    set_tests_properties(${name} PROPERTIES
        LABELS ${label}
        TIMEOUT ${timeout}
        SKIP_RETURN_CODE 77
        ENVIRONMENT "${rouse_test_environment}"
        WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
endfunction()

# What a source of tests/FOLDER may include.
function(rouse_may_look_inside target folder)
    target_include_directories(${target} PRIVATE
        "${rouse_tests_dir}/${folder}"
        "${rouse_tests_dir}"
        "${rouse_tests_dir}/harness"
        "${PROJECT_SOURCE_DIR}/src")
endfunction()

# A test program that may look inside: the static library, and src/ in the include path.
function(rouse_add_inside_test name label seconds source)
    rouse_add_program(${name} "${source}" rouse_static ${ARGN})
    if(NOT TARGET ${name})
        return()
    endif()
    target_link_libraries(${name} PRIVATE m)
    cmake_path(GET source PARENT_PATH folder)
    cmake_path(GET folder FILENAME folder)
    rouse_compile_as_internal(${name})
    rouse_may_look_inside(${name} ${folder})
    rouse_add_test(${name} ${label} ${seconds} $<TARGET_FILE:${name}>)
endfunction()

# Our own server's parser is compared with this one where it is installed.
find_path(HTTP_PARSER_INCLUDE http_parser.h)
find_library(HTTP_PARSER_LIBRARY http_parser)
mark_as_advanced(HTTP_PARSER_INCLUDE HTTP_PARSER_LIBRARY ROUSE_SETARCH)

function(rouse_add_http_test name source)
    if(NOT TARGET httpd_core)
        message(STATUS "rouse: ${name} is left out: it needs apps/httpd")
        return()
    endif()
    if(name STREQUAL "test_http_differential" AND NOT (HTTP_PARSER_INCLUDE AND HTTP_PARSER_LIBRARY))
        message(STATUS "rouse: ${name} is left out: it needs http_parser")
        return()
    endif()
    rouse_add_inside_test(${name} unit 60 "${source}" ${ARGN})
    target_link_libraries(${name} PRIVATE httpd_core)
    if(name STREQUAL "test_http_differential")
        target_include_directories(${name} SYSTEM PRIVATE "${HTTP_PARSER_INCLUDE}")
        target_link_libraries(${name} PRIVATE "${HTTP_PARSER_LIBRARY}")
    endif()
endfunction()

function(rouse_add_top_test name source)
    if(TARGET rouse_core)
        rouse_add_inside_test(${name} unit 60 "${source}" ${ARGN})
        target_link_libraries(${name} PRIVATE rouse_core)
    else()
        message(STATUS "rouse: ${name} is left out: it needs apps/rouse")
    endif()
endfunction()

file(GLOB unit_tests CONFIGURE_DEPENDS "${rouse_tests_dir}/unit/test_*.c")
file(GLOB unit_helpers CONFIGURE_DEPENDS "${rouse_tests_dir}/unit/*.c")
list(REMOVE_ITEM unit_helpers ${unit_tests})
# What only C++ can show, where there is a compiler for it.
include(CheckLanguage)
check_language(CXX)
if(CMAKE_CXX_COMPILER)
    enable_language(CXX)
    file(GLOB unit_tests_cxx CONFIGURE_DEPENDS "${rouse_tests_dir}/unit/test_*.cpp")
    list(APPEND unit_tests ${unit_tests_cxx})
endif()
foreach(source IN LISTS unit_tests)
    cmake_path(GET source STEM name)
    if(name MATCHES "^test_http_")
        rouse_add_http_test(${name} "${source}" ${unit_helpers})
    elseif(name MATCHES "^test_top_")
        rouse_add_top_test(${name} "${source}" ${unit_helpers})
    else()
        rouse_add_inside_test(${name} unit 60 "${source}" ${unit_helpers})
    endif()
endforeach()

# Thread-locals once more, with the test and the library optimized as one program: the compiler then
# sees through every wait, and may keep the address of a thread-local across it.
if(TARGET rouse_whole AND NOT ROUSE_SANITIZE AND NOT CMAKE_CROSSCOMPILING)
    add_executable(test_tls_lto "${rouse_tests_dir}/unit/test_tls.c")
    rouse_compile_as_internal(test_tls_lto)
    rouse_optimize_whole(test_tls_lto)
    target_include_directories(test_tls_lto PRIVATE
        "${rouse_tests_dir}/unit" "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(test_tls_lto PRIVATE rouse_whole Threads::Threads)
    rouse_add_test(test_tls_lto unit 60 $<TARGET_FILE:test_tls_lto>)
else()
    message(STATUS "rouse: test_tls_lto is left out: it needs ROUSE_WHOLE_APPS")
endif()

file(GLOB sources CONFIGURE_DEPENDS "${rouse_tests_dir}/stress/*.c")
foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    string(REGEX REPLACE "^(test|stress)_" "" name "${name}")
    rouse_add_inside_test(stress_${name} stress 240 "${source}")
endforeach()
# How its fibers spread depends on how long a worker waits for a processor: no test runs beside it.
set_tests_properties(stress_balance PROPERTIES RUN_SERIAL TRUE)

# Each call of libc in this list is one that tests/fault/libc.c stands in front of.
set(rouse_fault_libc malloc calloc realloc openat fstat pread write syscall)
file(GLOB fault_tests CONFIGURE_DEPENDS "${rouse_tests_dir}/fault/fault_*.c")
file(GLOB fault_helpers CONFIGURE_DEPENDS "${rouse_tests_dir}/fault/*.c")
list(REMOVE_ITEM fault_helpers ${fault_tests} "${rouse_tests_dir}/fault/libc.c")
add_library(rouse_faults OBJECT ${fault_helpers})
rouse_compile_as_internal(rouse_faults)
rouse_may_look_inside(rouse_faults fault)
target_link_libraries(rouse_faults PRIVATE rouse_static)
foreach(source IN LISTS fault_tests)
    cmake_path(GET source STEM name)
    if(NOT name STREQUAL "fault_http")
        rouse_add_inside_test(${name} fault 900 "${source}" $<TARGET_OBJECTS:rouse_faults>)
    elseif(TARGET httpd_core)
        rouse_add_inside_test(${name} fault 900 "${source}" $<TARGET_OBJECTS:rouse_faults>
            "${rouse_tests_dir}/fault/libc.c")
        target_link_libraries(${name} PRIVATE httpd_core)
        list(TRANSFORM rouse_fault_libc PREPEND "-Wl,--wrap=" OUTPUT_VARIABLE wraps)
        target_link_options(${name} PRIVATE ${wraps})
    endif()
endforeach()

if(EXISTS "${rouse_tests_dir}/lifecycle/matrix.c")
    rouse_add_inside_test(lifecycle api 300 "${rouse_tests_dir}/lifecycle/matrix.c")
endif()

# An API test is one text for both styles of waiting.
function(rouse_add_api_test name source)
    add_executable(${name} $<TARGET_OBJECTS:rouse_harness>)
    foreach(style FIBER ASYNC)
        set(objects ${name}_${style})
        add_library(${objects} OBJECT "${source}")
        rouse_compile_as_internal(${objects})
        target_compile_definitions(${objects} PRIVATE ROUSE_TEST_STYLE_${style}=1)
        target_include_directories(${objects} PRIVATE
            "${rouse_tests_dir}/api" "${rouse_tests_dir}/harness" "${rouse_tests_dir}")
        target_link_libraries(${objects} PRIVATE rouse)
        target_sources(${name} PRIVATE $<TARGET_OBJECTS:${objects}>)
    endforeach()
    rouse_compile_as_internal(${name})
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
    target_link_libraries(${name} PRIVATE rouse Threads::Threads)
    rouse_add_test(${name} api 120 $<TARGET_FILE:${name}>)
endfunction()

file(GLOB harness_sources CONFIGURE_DEPENDS "${rouse_tests_dir}/harness/*.c")
file(GLOB api_tests CONFIGURE_DEPENDS "${rouse_tests_dir}/api/*.c")
if(harness_sources)
    add_library(rouse_harness OBJECT ${harness_sources})
    rouse_compile_as_internal(rouse_harness)
    target_include_directories(rouse_harness PRIVATE
        "${rouse_tests_dir}/harness" "${rouse_tests_dir}")
    target_link_libraries(rouse_harness PRIVATE rouse)
    foreach(source IN LISTS api_tests)
        cmake_path(GET source STEM name)
        string(REGEX REPLACE "^(test|api)_" "" name "${name}")
        rouse_add_api_test(api_${name} "${source}")
    endforeach()
endif()

# As a test, a fuzzer runs for a few seconds from a fixed seed.
function(rouse_add_fuzzer name source)
    rouse_add_program(fuzz_${name} "${source}" rouse_static)
    rouse_compile_as_internal(fuzz_${name})
    target_include_directories(fuzz_${name} PRIVATE
        "${rouse_tests_dir}" "${rouse_tests_dir}/unit" "${PROJECT_SOURCE_DIR}/src")
    if(name MATCHES "^http_" AND TARGET httpd_core)
        target_link_libraries(fuzz_${name} PRIVATE httpd_core)
    elseif(name MATCHES "^top_" AND TARGET rouse_core)
        target_link_libraries(fuzz_${name} PRIVATE rouse_core)
    endif()
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers fuzz_${name})
    set(found "${PROJECT_BINARY_DIR}/tests/corpus/${name}")
    file(MAKE_DIRECTORY "${found}")
    set(corpus "${rouse_tests_dir}/fuzz/corpus/${name}")
    if(NOT IS_DIRECTORY "${corpus}")
        set(corpus "")
    endif()
    rouse_add_test(fuzz_${name} fuzz 60 $<TARGET_FILE:fuzz_${name}> -seed=1 -max_total_time=10
        -timeout=5 -artifact_prefix=${found}- "${found}" ${corpus})
endfunction()

if("fuzzer-no-link" IN_LIST ROUSE_SANITIZE)
    add_custom_target(fuzzers)
    file(GLOB sources CONFIGURE_DEPENDS "${rouse_tests_dir}/fuzz/fuzz_*.c")
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM name)
        string(REGEX REPLACE "^fuzz_" "" name "${name}")
        rouse_add_fuzzer(${name} "${source}")
    endforeach()
endif()

# What follows looks at programs from outside, or reads their machine code: not through an emulator.
if(CMAKE_CROSSCOMPILING)
    return()
endif()

file(GLOB blackbox_helpers CONFIGURE_DEPENDS "${rouse_tests_dir}/blackbox/*.c")
foreach(source IN LISTS blackbox_helpers)
    cmake_path(GET source STEM name)
    add_executable(blackbox_${name} "${source}")
    rouse_compile_as_internal(blackbox_${name})
    target_link_libraries(blackbox_${name} PRIVATE Threads::Threads)
endforeach()

file(GLOB blackbox_tests CONFIGURE_DEPENDS "${rouse_tests_dir}/blackbox/*.sh")
foreach(source IN LISTS blackbox_tests)
    cmake_path(GET source STEM name)
    rouse_add_test(blackbox_${name} blackbox 120 bash "${source}")
endforeach()

file(GLOB browser_tests CONFIGURE_DEPENDS "${rouse_tests_dir}/browser/*.sh")
foreach(source IN LISTS browser_tests)
    cmake_path(GET source STEM name)
    rouse_add_test(browser_${name} slow 60 bash "${source}")
endforeach()

if(EXISTS "${rouse_tests_dir}/tidy/tidy.sh" AND NOT ROUSE_SANITIZE)
    rouse_add_test(tidy tidy 180 bash "${rouse_tests_dir}/tidy/tidy.sh")
    rouse_add_test(tidy_docs tidy 60 bash "${rouse_tests_dir}/tidy/docs_names.sh")
    rouse_add_test(tidy_self tidy 60 bash "${rouse_tests_dir}/tidy/self_test.sh")
endif()

foreach(folder model stress fuzz soak)
    if(EXISTS "${rouse_tests_dir}/${folder}/CMakeLists.txt")
        add_subdirectory("${rouse_tests_dir}/${folder}" "${PROJECT_BINARY_DIR}/tests/${folder}")
    endif()
endforeach()
