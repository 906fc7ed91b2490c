# mooring_target_options(<target>): the compiler options of everything built here. They are private,
# so that no user of the library inherits them.
function(mooring_target_options target)
  target_compile_features(${target} PUBLIC cxx_std_17)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wnon-virtual-dtor -Wno-unused-parameter)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE -Wthread-safety)
  endif()
  if(MOORING_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(MOORING_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${MOORING_SANITIZE}
                                             -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=${MOORING_SANITIZE})
  endif()
endfunction()
