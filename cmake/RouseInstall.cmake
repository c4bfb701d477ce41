# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts where: both libraries, the public headers, the program `rouse`, and
# what find_package and pkg-config read.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS rouse rouse_static
    EXPORT rouseTargets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/scripts/rouse-gdb.py"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}" RENAME "${rouse_gdb_script}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    FILES_MATCHING PATTERN "*.h")

# It has the library in it, and watches any program's console.
if(TARGET rouse_program)
    install(TARGETS rouse_program DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

# Uses the probes that the library has where it was built with them.
install(PROGRAMS "${PROJECT_SOURCE_DIR}/tools/rouse.bt" DESTINATION "${CMAKE_INSTALL_DATADIR}/rouse")

set(rouse_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/rouse")
install(EXPORT rouseTargets NAMESPACE rouse:: DESTINATION "${rouse_package_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/rouseConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/cmake/rouseConfig.cmake"
    INSTALL_DESTINATION "${rouse_package_dir}")
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/cmake/rouseConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${PROJECT_BINARY_DIR}/cmake/rouseConfig.cmake"
    "${PROJECT_BINARY_DIR}/cmake/rouseConfigVersion.cmake"
    DESTINATION "${rouse_package_dir}")

# The prefix is told from where the file lies, so an installed tree may be moved.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(rouse_pc_prefix "${CMAKE_INSTALL_PREFIX}")
    set(rouse_pc_libdir "${CMAKE_INSTALL_LIBDIR}")
else()
    file(RELATIVE_PATH up "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(rouse_pc_prefix "\${pcfiledir}/${up}")
    set(rouse_pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(rouse_pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
    set(rouse_pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/rouse.pc.in"
    "${PROJECT_BINARY_DIR}/cmake/rouse.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/cmake/rouse.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
