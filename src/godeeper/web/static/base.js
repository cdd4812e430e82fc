// Where the page is mounted: this module is in its folder "static", whatever stands before that.

const root = new URL("..", import.meta.url).pathname;

/** A path of the page as the server must be asked for it. */
export const at = (path) => root + path.replace(/^\//, "");

/** The path that is shown, as the page itself calls it. */
export const here = () => (location.pathname.startsWith(root) ? location.pathname.slice(root.length - 1) : location.pathname);
