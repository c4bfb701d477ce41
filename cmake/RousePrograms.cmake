# SPDX-License-Identifier: MIT
#
# Programs, found by their place:
#
#   examples/NAME.c      bin/NAME             the shared library, public headers only
#   apps/httpd/main.c    bin/httpd            the rest of the folder is the library httpd_core
#   bench/NAME.c         bin/bench_NAME       the static library; may use src/ headers; bench.c is
#                                             part of each, and bench/NAME/*.c if there
#   bench/net/NAME.c     bin/bench_net_NAME   common.c, if there, is part of each
#
# A source that needs another library says so near its top: "// Needs: NAME" names a pkg-config
# module. Where the module is not installed, the program is left out and the build says so.
find_package(PkgConfig QUIET)

# Sets ${found} to false if a module that `source` needs is missing, and links what is there.
function(rouse_needs target source found)
    set(${found} TRUE PARENT_SCOPE)
    file(STRINGS "${source}" needs REGEX "^// Needs: ")
    string(REGEX REPLACE "// Needs: *" "" needs "${needs}")
    foreach(module IN LISTS needs)
        string(MAKE_C_IDENTIFIER "rouse_${module}" prefix)
        if(PkgConfig_FOUND)
            pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${module})
        endif()
        if(NOT ${prefix}_FOUND)
            message(STATUS "rouse: ${target} is left out: it needs ${module}")
            set(${found} FALSE PARENT_SCOPE)
        endif()
    endforeach()
    set(rouse_needs_modules "${needs}" PARENT_SCOPE)
endfunction()

# A program from `source`, with `library` and further arguments as more sources.
function(rouse_add_program target source library)
    rouse_needs(${target} "${source}" found)
    if(NOT found)
        return()
    endif()
    add_executable(${target} "${source}" ${ARGN})
    target_link_libraries(${target} PRIVATE ${library} Threads::Threads)
    foreach(module IN LISTS rouse_needs_modules)
        string(MAKE_C_IDENTIFIER "rouse_${module}" prefix)
        target_link_libraries(${target} PRIVATE PkgConfig::${prefix})
    endforeach()
endfunction()

if(ROUSE_BUILD_EXAMPLES)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM name)
        rouse_add_program(example_${name} "${source}" rouse)
        if(TARGET example_${name})
            rouse_compile_as_ours(example_${name})
            set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name})
        endif()
    endforeach()
endif()

file(GLOB httpd_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/httpd/*.c")
set(httpd_main "${PROJECT_SOURCE_DIR}/apps/httpd/main.c")
list(REMOVE_ITEM httpd_sources "${httpd_main}")
if(httpd_sources AND (ROUSE_BUILD_APPS OR ROUSE_BUILD_TESTS))
    add_library(httpd_core STATIC ${httpd_sources})
    rouse_compile_as_internal(httpd_core)
    target_include_directories(httpd_core PUBLIC "${PROJECT_SOURCE_DIR}/apps/httpd")
    target_link_libraries(httpd_core PUBLIC rouse_static Threads::Threads)
endif()
if(ROUSE_BUILD_APPS AND EXISTS "${httpd_main}")
    rouse_add_program(httpd "${httpd_main}" rouse_static)
    rouse_compile_as_internal(httpd)
    target_include_directories(httpd PRIVATE "${PROJECT_SOURCE_DIR}/apps/httpd")
    if(TARGET httpd_core)
        target_link_libraries(httpd PRIVATE httpd_core)
    endif()
endif()

function(rouse_add_bench target source)
    rouse_add_program(${target} "${source}" rouse_static ${ARGN})
    if(TARGET ${target})
        rouse_compile_as_internal(${target})
        target_include_directories(${target} PRIVATE
            "${PROJECT_SOURCE_DIR}/bench"
            "${PROJECT_SOURCE_DIR}/src")
        target_link_libraries(${target} PRIVATE m)
    endif()
endfunction()

if(ROUSE_BUILD_BENCH)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
    set(harness "${PROJECT_SOURCE_DIR}/bench/bench.c")
    list(REMOVE_ITEM sources "${harness}")
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM name)
        string(REGEX REPLACE "^bench_" "" name "${name}")
        file(GLOB parts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/${name}/*.c")
        rouse_add_bench(bench_${name} "${source}" "${harness}" ${parts})
    endforeach()

    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/net/*.c")
    set(common "${PROJECT_SOURCE_DIR}/bench/net/common.c")
    list(REMOVE_ITEM sources "${common}")
    if(NOT EXISTS "${common}")
        set(common "")
    endif()
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM name)
        rouse_add_bench(bench_net_${name} "${source}" ${common})
    endforeach()
endif()
