# SPDX-License-Identifier: MIT
# cmake --install: the program, the libraries with their headers, and how to find them
# (find_package(thuban) and pkg-config thuban). The simulator and the client's own code
# stay in the tree.
include(CMakePackageConfigHelpers)

# Installed as thuban::base, thuban::mrt, thuban::mrt_uv, thuban::stun, thuban::stun_uv,
# thuban::node, thuban::node_uv.
set(thuban_installed thuban_base thuban_mrt thuban_mrt_uv thuban_stun thuban_stun_uv thuban_node
    thuban_node_uv)
foreach(layer ${thuban_installed})
  string(REPLACE "thuban_" "" exported ${layer})
  set_target_properties(${layer} PROPERTIES EXPORT_NAME ${exported})
endforeach()
install(TARGETS ${thuban_installed} EXPORT thuban ARCHIVE COMPONENT library)
# What the linker optimises a release with only the same version of GCC understands, and another
# one's linker does not pass over it. Common code stays.
if(THUBAN_WHOLE_PROGRAM)
  install(CODE "
    file(GLOB archives \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/libthuban_*.a\")
    foreach(archive IN LISTS archives)
      execute_process(COMMAND \"${CMAKE_OBJCOPY}\" -p -R .gnu.lto_* -R .gnu.debuglto_* \${archive}
                      COMMAND_ERROR_IS_FATAL ANY)
    endforeach()" COMPONENT library)
endif()
foreach(folder mrt/base mrt mrt/uv stun stun/uv node node/uv)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.h)
  install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/thuban/${folder}
          COMPONENT library)
endforeach()
install(TARGETS thuban RUNTIME COMPONENT program)

set(thuban_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/thuban)
install(EXPORT thuban NAMESPACE thuban:: FILE thuban-targets.cmake
        DESTINATION ${thuban_cmake_dir} COMPONENT library)
configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/thuban-config.cmake.in ${PROJECT_BINARY_DIR}/thuban-config.cmake
  INSTALL_DESTINATION ${thuban_cmake_dir})
# Before 1.0 each minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/thuban-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/thuban-config.cmake
              ${PROJECT_BINARY_DIR}/thuban-config-version.cmake
        DESTINATION ${thuban_cmake_dir} COMPONENT library)

# The .pc file finds its prefix from where it lies, so an installation may be moved.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  message(FATAL_ERROR "CMAKE_INSTALL_LIBDIR and _INCLUDEDIR must be relative to the prefix")
endif()
file(RELATIVE_PATH thuban_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/thuban.pc.in ${PROJECT_BINARY_DIR}/thuban.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/thuban.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT library)
