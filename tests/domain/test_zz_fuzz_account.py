from hypothesis import settings
from tests.domain.test_account_machine import AccountMachine
TestFuzz = AccountMachine.TestCase
TestFuzz.settings = settings(max_examples=2000, stateful_step_count=60, deadline=None, suppress_health_check=list(__import__("hypothesis").HealthCheck))
