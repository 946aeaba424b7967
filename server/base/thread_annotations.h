#ifndef EPLB_SERVER_BASE_THREAD_ANNOTATIONS_H_
#define EPLB_SERVER_BASE_THREAD_ANNOTATIONS_H_

// Names for clang's thread-safety attributes; with -Wthread-safety a member touched without its lock does not
// compile. Other compilers see nothing. Source: clang's "Thread Safety Analysis" documentation.
#if defined(__clang__)
#define EPLB_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define EPLB_THREAD_ATTRIBUTE(x)
#endif

#define EPLB_CAPABILITY(name) EPLB_THREAD_ATTRIBUTE(capability(name))
#define EPLB_SCOPED_CAPABILITY EPLB_THREAD_ATTRIBUTE(scoped_lockable)
#define EPLB_GUARDED_BY(mutex) EPLB_THREAD_ATTRIBUTE(guarded_by(mutex))
#define EPLB_REQUIRES(...) EPLB_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EPLB_EXCLUDES(...) EPLB_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define EPLB_ACQUIRE(...) EPLB_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define EPLB_RELEASE(...) EPLB_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define EPLB_NO_THREAD_SAFETY_ANALYSIS EPLB_THREAD_ATTRIBUTE(no_thread_safety_analysis)

#endif  // EPLB_SERVER_BASE_THREAD_ANNOTATIONS_H_
