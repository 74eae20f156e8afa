/* In a build with ThreadSanitizer: what tests/run asks of it by TSAN_OPTIONS, for processes that are given an environment of
 * their own, such as the dry run of a workflow's test. */
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
    return "ignore_noninstrumented_modules=1";
}
