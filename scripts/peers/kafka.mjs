// Fetches the Apache Kafka that tests run against: its jars, by Maven, once, into a cache kept between runs.
// Run by itself it prints the folder, or how to get what is missing (exit code 1 with CI=true).
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const KAFKA_VERSION = '4.1.0';

const pom = `<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>verdict</groupId>
  <artifactId>kafka-peer</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <!-- Without a binding a broker that fails to start says nothing. -->
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
`;

const works = (command, args) =>
  run(command, args).then(
    () => true,
    () => false,
  );

const missing = (reason) => {
  if (process.env.CI === 'true') throw new Error(reason);
  return { reason };
};

const fetchJars = async (cache, libs) => {
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'fetch-'));
  try {
    writeFileSync(join(folder, 'pom.xml'), pom);
    await run('mvn', ['--batch-mode', '--quiet', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(folder, 'libs')}`], {
      cwd: folder,
      maxBuffer: 64 * 1024 * 1024,
    });
    // Renamed only when whole, so that a fetch that was cut off is never taken for a finished one.
    if (!existsSync(libs)) renameSync(join(folder, 'libs'), libs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/**
 * Where Kafka's jars are, fetched if need be (43 MB, the first time).
 * `{ libs }`, or `{ reason }`: a sentence that says what is missing and how to get it. With CI=true what is missing is thrown.
 */
export const kafkaPeer = async () => {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'verdict', 'peers', 'kafka');
  const libs = join(cache, KAFKA_VERSION);
  if (!(await works('java', ['-version'])))
    return missing(
      'Kafka tests are left out: `java` is not on the PATH. Install a Java runtime, 17 or newer (Debian: apt-get install openjdk-17-jre-headless).',
    );
  if (existsSync(libs)) return { libs };
  if (!(await works('mvn', ['--version'])))
    return missing(
      `Kafka tests are left out: \`mvn\` is not on the PATH to fetch Apache Kafka ${KAFKA_VERSION}. Install Maven (Debian: apt-get install maven).`,
    );
  try {
    await fetchJars(cache, libs);
  } catch (error) {
    const why = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim().split('\n')[0] || error.message;
    return missing(
      `Kafka tests are left out: Maven could not fetch org.apache.kafka:kafka_2.13:${KAFKA_VERSION} (${why}). Give Maven access to a repository and run again.`,
    );
  }
  return { libs };
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  kafkaPeer().then(
    ({ libs, reason }) => console.log(libs ?? reason),
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
