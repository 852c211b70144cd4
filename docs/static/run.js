// Run a tutorial's cells in the browser, by Pyodide. Nothing is loaded before the button is pressed.
// This file is the page's script, and the script of the worker in which Python runs.

const PYODIDE = "https://cdn.jsdelivr.net/pyodide/v314.0.7/full/";

const PYTHON = `
import contextlib, io, os, pathlib, traceback
from pyodide.code import eval_code_async

os.environ |= {"MPLBACKEND": "agg", "GRADCORE_BACKEND": "numpy", "GRADCORE_OFFLINE": "1"}
names = {"__name__": "__main__"}

async def run(source):
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            value = await eval_code_async(source, names, filename="<cell>")
            if value is not None:
                print(repr(value))
        except Exception as error:
            print("".join(traceback.format_exception_only(error)), end="")
    return shown.getvalue()

def take(name):
    file = pathlib.Path(name)
    if file.exists():
        data = file.read_bytes()
        file.unlink()
        return data
`;

if (self.document) {
    document.querySelectorAll("p.launch").forEach(offer);
} else {
    let python = null;
    self.onmessage = async ({ data }) => {
        try {
            python ??= start(data);
            self.postMessage(data.source ? await answer(await python, data) : (await python, {}));
        } catch (error) {
            self.postMessage({ error: String(error.message ?? error) });
        }
    };
}

// -- In the worker --------------------------------------------------------------------------------

async function start({ pyodide, wheel }) {
    const { loadPyodide } = await import(`${pyodide}pyodide.mjs`);
    const python = await loadPyodide({ indexURL: pyodide });
    await python.loadPackage("micropip");
    await python.pyimport("micropip").install([wheel, "array-api-strict"]);
    python.runPython(PYTHON);
    return python;
}

async function answer(python, { source, pictures }) {
    await python.loadPackagesFromImports(source);
    const shown = await python.globals.get("run")(source);
    const files = {};
    for (const name of pictures) {
        const data = python.globals.get("take")(name)?.toJs();
        if (data) files[name] = data;
    }
    return { shown, files };
}

// -- In the page ----------------------------------------------------------------------------------

function offer(place) {
    const button = place.querySelector("button");
    button.hidden = false;
    button.onclick = () => {
        button.disabled = true;
        runAll(place).catch((error) => {
            button.disabled = false;
            say(place, `This did not work: ${error.message}`);
        });
    };
}

function say(place, text) {
    place.querySelector("[role=status]").textContent = text;
}

async function runAll(place) {
    say(place, "Loading Python, about 20 MB ...");
    const book = await fetch(place.querySelector("a").href);
    const blocks = matched((await book.json()).cells.filter((cell) => cell.cell_type === "code"));
    const worker = new Worker(import.meta.url, { type: "module" });
    let turn = Promise.resolve(); // one call at a time
    const ask = (message) => (turn = turn.catch(() => {}).then(() => asked(worker, message)));
    const wheel = new URL(place.dataset.wheel, location.href).href;
    await ask({ pyodide: place.dataset.pyodide ?? PYODIDE, wheel });
    for (const block of blocks) addButton(block, ask);
    for (const [i, block] of blocks.entries()) {
        say(place, `Running block ${i + 1} of ${blocks.length} ...`);
        await run(block, ask);
    }
    say(place, "Done. Change the code, and run a block again.");
}

function asked(worker, message) {
    return new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) => data.error ? reject(Error(data.error)) : resolve(data);
        worker.onerror = (event) => reject(Error(event.message ?? "the worker did not start"));
        worker.postMessage(message);
    });
}

// Find the block of the page that has each cell's code; a session has several cells.
function matched(cells) {
    const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
    const blocks = [];
    let next = 0;
    for (const pre of document.querySelectorAll("article .highlight pre")) {
        const code = lines(pre.textContent.replace(/^(>>>|\.\.\.) ?/gm, ""));
        const session = pre.textContent.includes(">>> ");
        const has = (cell) => lines(cell.source).every(
            (line) => code.some((other) => other === line || other.startsWith(`${line}  # doctest`)),
        );
        const own = [];
        while (next < cells.length && (session || !own.length) && has(cells[next])) {
            own.push(cells[next++].source);
        }
        if (own.length) blocks.push({ pre, sources: own, session });
    }
    return blocks;
}

function addButton(block, ask) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Run";
    button.onclick = () => run(block, ask);
    block.output = document.createElement("pre");
    block.output.className = "shown";
    block.output.setAttribute("aria-live", "polite");
    const below = document.createElement("div");
    below.className = "run";
    below.append(button, block.output);
    block.pre.closest('[class*="highlight-"]').after(below);
    if (!block.session) {
        block.pre.contentEditable = "plaintext-only";
        block.pre.spellcheck = false;
        block.pre.role = "textbox";
        block.pre.ariaMultiLine = "true";
        block.pre.ariaLabel = "code, which can be changed";
    }
}

async function run(block, ask) {
    const images = [...document.querySelectorAll("article img")];
    const name = (image) => image.dataset.file ??= image.src.split("/").pop();
    const pictures = images.map(name);
    block.output.textContent = "...";
    let text = "";
    for (const source of block.session ? block.sources : [block.pre.innerText]) {
        const { shown, files } = await ask({ source, pictures });
        text += shown;
        for (const image of images.filter((image) => files[name(image)])) {
            const type = image.dataset.file.endsWith(".svg") ? "image/svg+xml" : "image/png";
            image.src = URL.createObjectURL(new Blob([files[name(image)]], { type }));
        }
    }
    block.output.textContent = text.trimEnd();
}
