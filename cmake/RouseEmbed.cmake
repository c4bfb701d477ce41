# SPDX-License-Identifier: MIT
#
# A file as an array of bytes in C, made when the build is configured, and again when the file
# changes. `name` is the array's, and with _size behind it its length's; `header` declares both.
# Appends the path of the source to `sources` of the caller.
function(rouse_embed file name header sources)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(READ "${file}" bytes HEX)
    # Sixteen to a line, but for the last ones.
    string(REPEAT "[0-9a-f]" 32 line)
    string(REGEX REPLACE "(${line})" "\\1\n    " bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " bytes "${bytes}")
    string(REPLACE " \n" "\n" bytes "${bytes}")
    string(REGEX REPLACE "[ \n]+$" "" bytes "${bytes}")
    cmake_path(GET file FILENAME from)
    set(source "${PROJECT_BINARY_DIR}/generated/${name}.c")
    set(text "// Made of ${from} by cmake/RouseEmbed.cmake.\n#include \"${header}\"\n\n")
    string(APPEND text "const unsigned char ${name}[] = {\n    ${bytes}\n};\n")
    string(APPEND text "const size_t ${name}_size = sizeof ${name};\n")
    file(CONFIGURE OUTPUT "${source}" CONTENT "${text}" @ONLY)
    set(${sources} ${${sources}} "${source}" PARENT_SCOPE)
endfunction()
