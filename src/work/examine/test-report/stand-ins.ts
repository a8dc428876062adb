import type { ReportedTest } from "./reported-test.ts";
import { isNamedLikeFile } from "./reported-test.ts";

type Suite = ReportedTest["standsForSuite"];

const fixture = /^(set|tear)(?:up|down)\w{1,40} \((.{1,4000})\)$/is;
const hook = /"(before|after) (?:all|each)" hook/;

/**
 * Whether a test that failed in JUnit XML stands for its suite: a file that could not be loaded, a package that could not be built, a hook. Its runner lists no test of that suite, or not all of them.
 * @param suite - name of the suite that lists it
 */
export function suiteOfCase(
  { name = "", classname }: Readonly<Record<string, string>>,
  suite: string,
  isError: boolean,
): Suite {
  // gotestsum; go-junit-report
  if (name === "TestMain" && classname === "") return { testsBegin: suite };
  if (isError && classname === suite && /^(Failure|\[(build|setup) failed\])$/.test(name)) return { testsBegin: suite };
  // unittest and nose2: loaders, fixtures, and a subtest that failed beside its test
  if (/^(unittest|nose2)\.loader\./.test(classname ?? "")) return { testsBegin: name };
  const [, when, of] = fixture.exec(classname ? `${classname}.${name}` : name) ?? [];
  if (isError && when !== undefined) return suiteOfFixture(when, of ?? "");
  const [, test] = /^(test\w{0,400}) [([].{1,4000}[)\]]$/s.exec(name) ?? [];
  if (test !== undefined && classname) return { testsBegin: `${classname} > ${test}` };
  // pytest's collection
  if (isError && classname === "") return { testsBegin: name };
  // Surefire, Gradle; bats
  if (/^(initializationError|executionError|classMethod)?$/.test(name) && classname) return { testsBegin: classname };
  // ESLint names what it found, and a file only where it found nothing
  if (name.startsWith("org.eslint.") && classname) return { testsBegin: classname };
  if (name === classname && isNamedLikeFile(name)) return { testsBegin: name }; // Vitest
  if (classname === "Test suite failed to run") return { testsBegin: "" }; // jest-junit
  if (isError && name === "Error" && classname === undefined) return { testsBegin: "" }; // PHPUnit's data providers
  return suiteOfHook(name);
}

/** The same in TAP, where there is only a name. */
export function suiteOfPoint(name: string): Suite {
  if (name === "setup_file failed" || name.includes("(unittest.loader._FailedTest")) return { testsBegin: "" };
  const [, when] = fixture.exec(name) ?? [];
  return when === undefined ? suiteOfHook(name) : suiteOfFixture(when, "");
}

/** Mocha. */
function suiteOfHook(name: string): Suite {
  const [, when] = hook.exec(name) ?? [];
  return when === undefined ? undefined : suiteOfFixture(when, "");
}

/** Tests that a fixture follows were executed, and are listed themselves. */
function suiteOfFixture(when: string, testsBegin: string): Suite {
  return /^(set|before)$/i.test(when) ? { testsBegin } : {};
}

/**
 * Marks those that failed and bear the name of a suite whose tests are listed, too.
 * @param tests - of one report
 */
export function withSuites(tests: readonly ReportedTest[]): readonly ReportedTest[] {
  const suites = new Set(tests.map(({ name }) => name.slice(0, Math.max(0, name.lastIndexOf(" > ")))));
  return tests.map((test) => {
    const isSuite = /^(failed|errored)$/.test(test.state) && suites.has(test.name) && test.standsForSuite === undefined;
    return isSuite ? { ...test, standsForSuite: { testsBegin: `${test.name} > ` } } : test;
  });
}
