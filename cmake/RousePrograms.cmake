# SPDX-License-Identifier: MIT
#
# Programs, found by their place:
#
#   examples/NAME.c      bin/NAME             the shared library, public headers only
#   apps/NAME/main.c     bin/NAME             the rest of the folder is the library NAME_core, for
#                                             tests (see ROUSE_WHOLE_APPS); the target is NAME, or
#                                             rouse_program for apps/rouse
#   apps/common/*.c                           part of each app: the library app_common
#   bench/NAME.c         bin/bench_NAME       the static library; may use src/ headers; bench.c is
#                                             part of each, and bench/NAME/*.c if there
#   bench/io/NAME.c      bin/bench_io_NAME    common.c, if there, is part of each
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

# An app, and the library that it is made of, which tests link too.
function(rouse_add_app name common)
    set(folder "${PROJECT_SOURCE_DIR}/apps/${name}")
    file(GLOB sources CONFIGURE_DEPENDS "${folder}/*.c")
    list(REMOVE_ITEM sources "${folder}/main.c")
    add_library(${name}_core STATIC ${sources})
    rouse_compile_as_internal(${name}_core)
    target_include_directories(${name}_core PUBLIC "${folder}")
    # Objects, not an archive: the common part takes the app's name from it.
    target_link_libraries(${name}_core PUBLIC app_common rouse_static Threads::Threads)
    if(NOT ROUSE_BUILD_APPS)
        return()
    endif()
    set(target ${name})
    if(name STREQUAL "rouse")  # which is the library
        set(target rouse_program)
    endif()
    # Not the one that only shows what another program says.
    if(ROUSE_WHOLE_APPS AND NOT name STREQUAL "rouse")
        rouse_add_program(${target} "${folder}/main.c" rouse_whole ${sources} ${common})
        rouse_optimize_whole(${target})
        target_include_directories(${target} PRIVATE "${folder}" "${PROJECT_SOURCE_DIR}/apps")
    else()
        rouse_add_program(${target} "${folder}/main.c" ${name}_core)
    endif()
    rouse_compile_as_internal(${target})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
endfunction()

if(ROUSE_BUILD_APPS OR ROUSE_BUILD_TESTS)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/common/*.c")
    add_library(app_common OBJECT ${sources})
    rouse_compile_as_internal(app_common)
    target_include_directories(app_common PUBLIC "${PROJECT_SOURCE_DIR}/apps")
    target_link_libraries(app_common PUBLIC rouse_static Threads::Threads)
    file(GLOB mains CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/*/main.c")
    foreach(main IN LISTS mains)
        cmake_path(GET main PARENT_PATH folder)
        cmake_path(GET folder FILENAME name)
        rouse_add_app(${name} "${sources}")
    endforeach()
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

    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/io/*.c")
    set(common "${PROJECT_SOURCE_DIR}/bench/io/common.c")
    list(REMOVE_ITEM sources "${common}")
    if(NOT EXISTS "${common}")
        set(common "")
    endif()
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM name)
        rouse_add_bench(bench_io_${name} "${source}" ${common})
    endforeach()
endif()
