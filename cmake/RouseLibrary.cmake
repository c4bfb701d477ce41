# SPDX-License-Identifier: MIT
#
# The library, shared and static, from one set of position-independent objects.
include(RouseEmbed)
file(GLOB_RECURSE rouse_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.c")
rouse_embed("${PROJECT_SOURCE_DIR}/src/insight/console.html" rs_console_page
    "insight/console_page.h" rouse_sources)
# One per architecture; each is empty on the others.
file(GLOB rouse_asm_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/fiber/*.S")

function(rouse_compile_as_library target)
    rouse_compile_as_internal(${target})
    target_include_directories(${target} PRIVATE
        "${PROJECT_SOURCE_DIR}/include"
        "${PROJECT_SOURCE_DIR}/src")
    target_compile_definitions(${target} PRIVATE ROUSE_VERSION_STRING="${PROJECT_VERSION}")
    target_link_libraries(${target} PRIVATE Threads::Threads)
    set_target_properties(${target} PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden)
    # A fiber that overflows its stack must touch the guard, not jump over it.
    if(ROUSE_HAVE_STACK_CLASH_PROTECTION)
        target_compile_options(${target} PRIVATE
            $<$<COMPILE_LANGUAGE:C>:-fstack-clash-protection>)
    endif()
    # Probes for tracers, where their header is: Debian's systemtap-sdt-dev.
    if(ROUSE_HAVE_SDT)
        target_compile_definitions(${target} PRIVATE ROUSE_PROBES=1)
    endif()
endfunction()

add_library(rouse_objects OBJECT ${rouse_sources} ${rouse_asm_sources})
rouse_compile_as_library(rouse_objects)

# The same for programs that are optimized as a whole, with the library in them.
if(ROUSE_WHOLE_APPS)
    add_library(rouse_whole STATIC EXCLUDE_FROM_ALL ${rouse_sources} ${rouse_asm_sources})
    rouse_compile_as_library(rouse_whole)
    target_include_directories(rouse_whole INTERFACE "${PROJECT_SOURCE_DIR}/include")
    rouse_optimize_whole(rouse_whole)
endif()

set(rouse_map "${PROJECT_SOURCE_DIR}/src/rouse.map")
add_library(rouse SHARED $<TARGET_OBJECTS:rouse_objects>)
add_library(rouse_static STATIC $<TARGET_OBJECTS:rouse_objects>)
add_library(rouse::rouse ALIAS rouse)
add_library(rouse::rouse_static ALIAS rouse_static)

set_target_properties(rouse PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS "${rouse_map}")
target_link_options(rouse PRIVATE "LINKER:--version-script=${rouse_map}" ${rouse_sanitize_flags})
if(NOT rouse_sanitize_flags)
    target_link_options(rouse PRIVATE "LINKER:-z,defs")
endif()
set_target_properties(rouse_static PROPERTIES OUTPUT_NAME rouse)

foreach(library rouse rouse_static)
    set_target_properties(${library} PROPERTIES LINKER_LANGUAGE C)
    target_link_libraries(${library} PRIVATE Threads::Threads)
    target_include_directories(${library} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:include>)
endforeach()
# Whoever links a sanitized static library needs the sanitizer's run-time library.
target_link_options(rouse_static INTERFACE $<BUILD_INTERFACE:${rouse_sanitize_flags}>)

# gdb loads it with the library, by its name, from where its auto-load safe path allows.
set(rouse_gdb_script "librouse.so.${PROJECT_VERSION}-gdb.py")
if(CMAKE_LIBRARY_OUTPUT_DIRECTORY)
    configure_file("${PROJECT_SOURCE_DIR}/scripts/rouse-gdb.py"
        "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/${rouse_gdb_script}" COPYONLY)
endif()
