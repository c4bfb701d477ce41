# SPDX-License-Identifier: MIT
#
# How every target of this project is compiled. Nothing here reaches a program that links rouse.
include(CheckCCompilerFlag)
include(CheckIncludeFile)
include(CheckIPOSupported)

set(CMAKE_REQUIRED_FLAGS -Werror)
check_c_compiler_flag(-fstack-clash-protection ROUSE_HAVE_STACK_CLASH_PROTECTION)
unset(CMAKE_REQUIRED_FLAGS)
check_include_file(sys/sdt.h ROUSE_HAVE_SDT)

if(ROUSE_WHOLE_APPS)
    check_ipo_supported(RESULT rouse_has_ipo LANGUAGES C)
    if(NOT rouse_has_ipo)
        message(STATUS "rouse: no link-time optimization here: the applications are linked as usual")
        set(ROUSE_WHOLE_APPS OFF)
    endif()
endif()

set(rouse_warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla)
set(rouse_c_warnings -Wmissing-prototypes)

# Sanitizers, as one comma-separated flag for the compiler and the linker.
string(REPLACE ";" "," rouse_sanitize "${ROUSE_SANITIZE}")
set(rouse_sanitize_flags "")
if(rouse_sanitize)
    set(rouse_sanitize_flags -fsanitize=${rouse_sanitize})
    if("undefined" IN_LIST ROUSE_SANITIZE)
        list(APPEND rouse_sanitize_flags -fno-sanitize-recover=undefined)
    endif()
endif()

# The language, the warnings and the sanitizers: for the library and for every program here.
function(rouse_compile_as_ours target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 17
        C_STANDARD_REQUIRED ON
        CXX_STANDARD 17
        CXX_STANDARD_REQUIRED ON)
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:C,CXX>:${rouse_warnings}>
        $<$<COMPILE_LANGUAGE:C>:${rouse_c_warnings}>
        $<$<COMPILE_LANGUAGE:C,CXX>:-fno-omit-frame-pointer>
        # Spawn sites and panics name files as src/…, wherever the tree lies.
        "$<$<COMPILE_LANGUAGE:C,CXX>:-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=>"
        ${rouse_sanitize_flags})
    target_link_options(${target} PRIVATE ${rouse_sanitize_flags})
    if(ROUSE_WERROR)
        target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-Werror>)
    endif()
endfunction()

# Ours in full: strict C17, and the GNU interfaces of libc.
function(rouse_compile_as_internal target)
    rouse_compile_as_ours(${target})
    set_target_properties(${target} PROPERTIES C_EXTENSIONS OFF)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    foreach(option ROUSE_CHAOS_POINTS ROUSE_SLOW_ASSERTS)
        if(${option})
            target_compile_definitions(${target} PRIVATE ${option}=1)
        endif()
    endforeach()
endfunction()

# Link-time optimization: one program, its libraries included, is compiled as a whole.
function(rouse_optimize_whole target)
    set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION ON)
    # At that time gcc takes the bounds of some buffers for those of what they begin with.
    target_link_options(${target} PRIVATE -Wno-stringop-overflow)
endfunction()
