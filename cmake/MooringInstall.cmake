# The install target: headers, library, the CMake package `mooring` and a pkg-config file. What is
# installed can be moved to another prefix as a whole.
include(CMakePackageConfigHelpers)

set(mooring_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/mooring")
set(mooring_pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

install(TARGETS mooring EXPORT mooring-targets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/mooring" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h" PATTERN "s3.h" EXCLUDE)
install(EXPORT mooring-targets NAMESPACE mooring:: DESTINATION "${mooring_package_dir}")

# The component `s3`: its dependencies are looked for only where a project asks for it.
if(MOORING_WITH_S3)
  install(TARGETS mooring_s3 EXPORT mooring-s3-targets
          LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
          ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}"
          RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(FILES "${PROJECT_SOURCE_DIR}/include/mooring/s3.h"
          DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/mooring")
  install(EXPORT mooring-s3-targets NAMESPACE mooring:: DESTINATION "${mooring_package_dir}")
endif()

# The component `cli`: the command, as the imported program mooring::cli.
if(MOORING_WITH_CLI)
  install(TARGETS mooring_cli EXPORT mooring-cli-targets
          RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(EXPORT mooring-cli-targets NAMESPACE mooring:: DESTINATION "${mooring_package_dir}")
  install(CODE "set(mooring_completion_dir \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}/bash-completion/completions\")
    file(MAKE_DIRECTORY \"\${mooring_completion_dir}\")
    execute_process(COMMAND \"$<TARGET_FILE:mooring_cli>\" completion
                    OUTPUT_FILE \"\${mooring_completion_dir}/mooring\" COMMAND_ERROR_IS_FATAL ANY)")
endif()

configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/mooring-config.cmake.in"
  "${PROJECT_BINARY_DIR}/package/mooring-config.cmake"
  INSTALL_DESTINATION "${mooring_package_dir}")
# Before version 1.0 a minor version may change the API.
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/package/mooring-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/package/mooring-config.cmake"
              "${PROJECT_BINARY_DIR}/package/mooring-config-version.cmake"
        DESTINATION "${mooring_package_dir}")

# A static library passes what it uses on to everybody who links it, with or without `--static`.
set(mooring_pc_public "absl_status absl_statusor absl_strings absl_time")
set(mooring_pc_private "absl_flat_hash_map absl_synchronization rocksdb protobuf-lite libzstd")
if(NOT BUILD_SHARED_LIBS)
  string(APPEND mooring_pc_public " ${mooring_pc_private}")
  set(mooring_pc_private "")
endif()
file(RELATIVE_PATH mooring_pc_prefix "/${mooring_pkgconfig_dir}" "/")
string(REGEX REPLACE "/$" "" mooring_pc_prefix "${mooring_pc_prefix}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/mooring.pc.in"
               "${PROJECT_BINARY_DIR}/package/mooring.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/package/mooring.pc" DESTINATION "${mooring_pkgconfig_dir}")

if(MOORING_WITH_S3)
  set(mooring_pc_s3_private "libcurl libcrypto pugixml absl_str_format absl_strings absl_synchronization absl_time")
  set(mooring_pc_s3_public "mooring")
  if(NOT BUILD_SHARED_LIBS)
    string(APPEND mooring_pc_s3_public " ${mooring_pc_s3_private}")
    set(mooring_pc_s3_private "")
  endif()
  configure_file("${PROJECT_SOURCE_DIR}/cmake/mooring-s3.pc.in"
                 "${PROJECT_BINARY_DIR}/package/mooring-s3.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/package/mooring-s3.pc" DESTINATION "${mooring_pkgconfig_dir}")
endif()
