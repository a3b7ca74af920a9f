/** The project brings its own Node; an older one may be in use where packages were installed with --ignore-scripts. */
export function requireNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return;
  console.error(
    `Holdpoint runs on the Node 24 that npm ci installs, but this is ${process.version}.\n` +
      'Run it through npm (npm start, npm test). If you installed with --ignore-scripts, run: npm rebuild node',
  );
  process.exit(1);
}
