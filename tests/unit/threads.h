/* The same in several threads at once. Included after cmocka.h. */
#ifndef TESTS_THREADS_H
#define TESTS_THREADS_H

#include <pthread.h>

/* Four threads do it and count in the size_t at their argument what went wrong: nothing. */
static inline void in_threads(void *(*body)(void *bad))
{
    pthread_t threads[4];
    size_t bad[4] = {0};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, &bad[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(bad[i], 0);
    }
}

#endif
