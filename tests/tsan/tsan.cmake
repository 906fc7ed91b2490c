# Included by src/CMakeLists.txt in builds with the thread sanitizer: absl_mutex.cc says what for.
target_sources(mooring PRIVATE "${PROJECT_SOURCE_DIR}/tests/tsan/absl_mutex.cc")
# Abseil's own libraries are held against the wrapped names too, so the object is always linked.
target_link_options(mooring PUBLIC "LINKER:--undefined=__wrap__ZN4absl7debian35Mutex4LockEv")
foreach(call Mutex4LockEv Mutex6UnlockEv Mutex7TryLockEv Mutex8LockWhenERKNS0_9ConditionE
             Mutex5AwaitERKNS0_9ConditionE
             Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE
             Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE)
  target_link_options(mooring PUBLIC "LINKER:--wrap=_ZN4absl7debian35${call}")
endforeach()
foreach(call 4WaitEPNS0_5MutexE 15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE
             16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE)
  target_link_options(mooring PUBLIC "LINKER:--wrap=_ZN4absl7debian37CondVar${call}")
endforeach()
