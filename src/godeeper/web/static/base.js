// The path that the page is mounted at.  It is the parent of the folder "static", which holds this module.

const root = new URL("..", import.meta.url).pathname;

/** The URL path of a path within the page. */
export const at = (path) => root + path.replace(/^\//, "");

/** The current path, without the mount point. */
export const here = () => (location.pathname.startsWith(root) ? location.pathname.slice(root.length - 1) : location.pathname);
