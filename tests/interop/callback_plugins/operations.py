"""An Ansible output plugin: each task is an operation, one line each; the last line counts them."""

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = '''
name: operations
type: stdout
short_description: one line for each task, a count at the end
description: A task that failed counts as failed, also where the play goes on.
'''


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'stdout'
    CALLBACK_NAME = 'operations'

    def __init__(self):
        super().__init__()
        self.client, self.passed, self.failed = 'ansible', 0, 0

    def v2_playbook_on_play_start(self, play):
        self.client = play.get_name()

    def v2_runner_on_ok(self, result):
        self.passed += 1
        self._display.display('ok - %s: %s' % (self.client, result.task_name))

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.failed += 1
        trace = result._result.get('module_stderr', '').strip()
        why = trace[-300:] or result._result.get('msg') or result._result
        self._display.display('not ok - %s: %s # %schanged: %s' % (
            self.client, result.task_name, '' if result._result.get('changed') else 'un', ' '.join(str(why).split())[:300]))

    def v2_playbook_on_stats(self, stats):
        self._display.display('%d passed, %d failed, 0 skipped' % (self.passed, self.failed))
