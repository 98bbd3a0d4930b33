//! The XGBoost C library, loaded when it is first needed: it is not linked, and no bindings are
//! generated.
//!
//! The only module with unsafe code. Declarations follow `xgboost/c_api.h` of XGBoost 3.2; every
//! function returns 0, or -1 with a message for the calling thread in `XGBGetLastError`.
#![expect(unsafe_code, reason = "calls of a C library")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

use crate::{Matrix, Result, StackError};

/// The environment variable with the path of another library file.
const VARIABLE: &str = "EARMARK_XGBOOST_LIB";
const LIBRARY: &str = "xgboost";
/// The oldest supported version, major and minor; newer versions with the same major version are
/// supported too.
const VERSION: (c_int, c_int) = (3, 1);

type Handle = *mut c_void;

/// The library functions that level 2 uses.
struct Api {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int, *mut c_int),
    last_error: unsafe extern "C" fn() -> *const c_char,
    build_info: unsafe extern "C" fn(*mut *const c_char) -> c_int,
    matrix_from_dense: unsafe extern "C" fn(*const c_char, *const c_char, *mut Handle) -> c_int,
    matrix_set_info: unsafe extern "C" fn(Handle, *const c_char, *const c_char) -> c_int,
    matrix_free: unsafe extern "C" fn(Handle) -> c_int,
    booster_create: unsafe extern "C" fn(*const Handle, u64, *mut Handle) -> c_int,
    booster_free: unsafe extern "C" fn(Handle) -> c_int,
    booster_set_param: unsafe extern "C" fn(Handle, *const c_char, *const c_char) -> c_int,
    booster_update: unsafe extern "C" fn(Handle, c_int, Handle) -> c_int,
    booster_eval:
        unsafe extern "C" fn(Handle, c_int, *const Handle, *const *const c_char, u64, *mut *const c_char) -> c_int,
    booster_predict:
        unsafe extern "C" fn(Handle, Handle, *const c_char, *mut *const u64, *mut u64, *mut *const f32) -> c_int,
    booster_save: unsafe extern "C" fn(Handle, *const c_char, *mut u64, *mut *const c_char) -> c_int,
    booster_load: unsafe extern "C" fn(Handle, *const c_void, u64) -> c_int,
    /// Keeps the code behind the pointers in memory.
    _library: Library,
}

impl Api {
    fn open(path: &Path) -> Result<Api, libloading::Error> {
        // SAFETY: loading runs the library's initializers; the user specified this file as XGBoost.
        // Each symbol has the type of its declaration in c_api.h, which has not changed since
        // XGBoost 2.0.
        unsafe {
            let library = Library::new(path)?;
            Ok(Api {
                version: *library.get(b"XGBoostVersion\0")?,
                last_error: *library.get(b"XGBGetLastError\0")?,
                build_info: *library.get(b"XGBuildInfo\0")?,
                matrix_from_dense: *library.get(b"XGDMatrixCreateFromDense\0")?,
                matrix_set_info: *library.get(b"XGDMatrixSetInfoFromInterface\0")?,
                matrix_free: *library.get(b"XGDMatrixFree\0")?,
                booster_create: *library.get(b"XGBoosterCreate\0")?,
                booster_free: *library.get(b"XGBoosterFree\0")?,
                booster_set_param: *library.get(b"XGBoosterSetParam\0")?,
                booster_update: *library.get(b"XGBoosterUpdateOneIter\0")?,
                booster_eval: *library.get(b"XGBoosterEvalOneIter\0")?,
                booster_predict: *library.get(b"XGBoosterPredictFromDMatrix\0")?,
                booster_save: *library.get(b"XGBoosterSaveModelToBuffer\0")?,
                booster_load: *library.get(b"XGBoosterLoadModelFromBuffer\0")?,
                _library: library,
            })
        }
    }

    /// The first candidate that loads and has a supported version, or the error of each candidate.
    fn open_first(candidates: &[PathBuf]) -> Result<Api, String> {
        let mut tried = Vec::new();
        for path in candidates {
            match Api::open(path) {
                Ok(api) => match api.version() {
                    found if found.0 == VERSION.0 && found >= VERSION => return Ok(api),
                    found => {
                        let (found, wanted) =
                            (format!("{}.{}", found.0, found.1), format!("{}.{}", VERSION.0, VERSION.1));
                        tried.push(format!("{}: is XGBoost {found}, not {wanted} or newer", path.display()));
                    }
                },
                Err(_) if path.is_absolute() && !path.exists() => tried.push(format!("{}: not there", path.display())),
                Err(error) => {
                    // The linker's message is the source of the error.
                    let reason = std::error::Error::source(&error).map(ToString::to_string);
                    tried.push(format!("{}: {}", path.display(), reason.unwrap_or_else(|| error.to_string())));
                }
            }
        }
        Err(tried.join("; "))
    }

    fn version(&self) -> (c_int, c_int) {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: three valid pointers to write to.
        unsafe { (self.version)(&mut major, &mut minor, &mut patch) };
        (major, minor)
    }

    fn check(&self, action: &'static str, code: c_int) -> Result<()> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: XGBoost returns a string that it owns, valid until this thread's next call.
        let message = unsafe { CStr::from_ptr((self.last_error)()) }.to_string_lossy();
        // The addresses of a stack trace follow the reason.
        let message = message.split("\nStack trace").next().unwrap_or_default().trim().to_owned();
        Err(StackError::Xgboost { action, message })
    }
}

/// The library, loaded once and never unloaded, because its OpenMP threads would outlive it.
fn api() -> Result<&'static Api> {
    static API: OnceLock<Result<Api, String>> = OnceLock::new();
    let opened = API.get_or_init(|| Api::open_first(&earmark_files::library_places(VARIABLE, LIBRARY)));
    opened.as_ref().map_err(|reason| StackError::Library { reason: reason.clone() })
}

/// Whether the library can use GPUs.
pub(crate) fn has_cuda() -> Result<bool> {
    let (api, mut text) = (api()?, std::ptr::null());
    let action = "describe itself";
    // SAFETY: XGBoost writes the address of a string that it owns, valid until this thread's next
    // call.
    let info = unsafe {
        api.check(action, (api.build_info)(&raw mut text))?;
        CStr::from_ptr(text).to_bytes()
    };
    let info: serde_json::Value =
        serde_json::from_slice(info).map_err(|error| StackError::Xgboost { action, message: error.to_string() })?;
    Ok(info["USE_CUDA"] == true)
}

/// NumPy's array interface of an array in memory, which XGBoost reads.
fn array_interface(data: &[f32], shape: &[usize]) -> Result<CString> {
    let order = if cfg!(target_endian = "little") { '<' } else { '>' };
    let address = data.as_ptr() as usize;
    text(
        "describe an array",
        format!(r#"{{"data":[{address},true],"shape":{shape:?},"typestr":"{order}f4","version":3}}"#),
    )
}

fn text(action: &'static str, value: String) -> Result<CString> {
    CString::new(value).map_err(|error| StackError::Xgboost { action, message: error.to_string() })
}

/// XGBoost's copy of a matrix.
pub(crate) struct DMatrix {
    api: &'static Api,
    handle: Handle,
}

impl DMatrix {
    pub fn new(x: Matrix<'_>, threads: usize) -> Result<DMatrix> {
        let api = api()?;
        let action = "read a matrix";
        let data = array_interface(x.data(), &[x.rows(), x.columns()])?;
        let config = text(action, format!(r#"{{"missing":NaN,"nthread":{threads}}}"#))?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: `data` describes a live slice of that many numbers, which XGBoost copies before
        // it returns.
        api.check(action, unsafe { (api.matrix_from_dense)(data.as_ptr(), config.as_ptr(), &mut handle) })?;
        Ok(DMatrix { api, handle })
    }

    /// Sets `width` numbers per row: `label` or `weight`.
    pub fn set(&mut self, field: &'static CStr, values: &[f32], width: usize) -> Result<()> {
        let values = array_interface(values, &[values.len() / width.max(1), width])?;
        // SAFETY: we own the handle, which is live; the described slice outlives the call, which
        // copies it.
        let code = unsafe { (self.api.matrix_set_info)(self.handle, field.as_ptr(), values.as_ptr()) };
        self.api.check("take labels or weights", code)
    }
}

impl Drop for DMatrix {
    fn drop(&mut self) {
        // SAFETY: we own the handle, and free it only once.
        unsafe { (self.api.matrix_free)(self.handle) };
    }
}

/// XGBoost's learner: parameters and trees.
pub(crate) struct Learner {
    api: &'static Api,
    handle: Handle,
}

// SAFETY: a learner is not bound to a thread; XGBoost only requires that two threads do not use it
// at once, and the raw handle prevents `Learner` from being `Sync`.
unsafe impl Send for Learner {}

impl Learner {
    /// A learner that will be fitted on and evaluated with `matrices`, which is empty for a loaded
    /// one.
    pub fn new(matrices: &[&DMatrix]) -> Result<Learner> {
        let api = api()?;
        let handles: Vec<Handle> = matrices.iter().map(|matrix| matrix.handle).collect();
        let mut handle = std::ptr::null_mut();
        // SAFETY: `handles` holds exactly the given number of live matrices; XGBoost keeps its own
        // references to them.
        let code = unsafe { (api.booster_create)(handles.as_ptr(), handles.len() as u64, &mut handle) };
        api.check("make a learner", code)?;
        Ok(Learner { api, handle })
    }

    pub fn set(&mut self, name: &'static CStr, value: String) -> Result<()> {
        let action = "take a parameter";
        let value = text(action, value)?;
        // SAFETY: a live handle and two strings that XGBoost copies.
        self.api.check(action, unsafe { (self.api.booster_set_param)(self.handle, name.as_ptr(), value.as_ptr()) })
    }

    /// One round: a tree for each class.
    pub fn update(&mut self, round: u32, matrix: &DMatrix) -> Result<()> {
        let round = c_int::try_from(round)
            .map_err(|error| StackError::Xgboost { action: "learn", message: error.to_string() })?;
        // SAFETY: both handles are live.
        self.api.check("learn", unsafe { (self.api.booster_update)(self.handle, round, matrix.handle) })
    }

    /// The metric (`eval_metric`) after a round, on the rows of `matrix`.
    pub fn loss(&self, round: u32, matrix: &DMatrix) -> Result<f64> {
        let action = "judge a round";
        let fault = |message: String| StackError::Xgboost { action, message };
        let round = c_int::try_from(round).map_err(|error| fault(error.to_string()))?;
        let name = c"rows";
        let mut evaluation = std::ptr::null();
        // SAFETY: live handles, a live string, and a valid pointer to write to; one of each, as the
        // count states.
        let code = unsafe {
            let names = [name.as_ptr()];
            (self.api.booster_eval)(self.handle, round, &matrix.handle, names.as_ptr(), 1, &mut evaluation)
        };
        self.api.check(action, code)?;
        // SAFETY: XGBoost returns a string that it owns, valid until this thread's next call; it is
        // copied here.
        let evaluation = unsafe { CStr::from_ptr(evaluation) }.to_string_lossy().into_owned();
        // "[7]\trows-mlogloss:0.31415"
        let number = evaluation.rsplit(':').next().and_then(|number| number.trim().parse().ok());
        number.ok_or_else(|| fault(format!("it answered {evaluation:?}")))
    }

    /// The objective's outputs, row-major, with their shape.
    pub fn predict(&self, matrix: &DMatrix) -> Result<(Vec<u64>, Vec<f32>)> {
        // All rounds ("iteration_end" 0), the outputs themselves ("type" 0), one axis for rows and
        // one for classes.
        let config = cr#"{"type":0,"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":true}"#;
        let (mut shape, mut dimensions, mut values) = (std::ptr::null(), 0, std::ptr::null());
        // SAFETY: live handles and three valid pointers to write to.
        let code = unsafe {
            let predict = self.api.booster_predict;
            predict(self.handle, matrix.handle, config.as_ptr(), &mut shape, &mut dimensions, &mut values)
        };
        self.api.check("predict", code)?;
        // SAFETY: XGBoost returns `dimensions` sizes, and as many values as the product of the
        // sizes, valid until this thread's next call with this learner; they are copied here.
        Ok(unsafe {
            let shape = copied(shape, dimensions);
            let values = copied(values, shape.iter().product());
            (shape, values)
        })
    }

    pub fn save_json(&self) -> Result<Vec<u8>> {
        let (mut length, mut bytes) = (0, std::ptr::null());
        // SAFETY: a live handle and two valid pointers to write to.
        let code =
            unsafe { (self.api.booster_save)(self.handle, cr#"{"format":"json"}"#.as_ptr(), &mut length, &mut bytes) };
        self.api.check("write the trees", code)?;
        // SAFETY: XGBoost returns `length` bytes, valid until this thread's next call; they are
        // copied here.
        Ok(unsafe { copied(bytes.cast::<u8>(), length) })
    }

    /// Replaces the whole model with the trees of `json`.
    pub fn load_json(&mut self, json: &[u8]) -> Result<()> {
        // SAFETY: a live handle, and a slice that XGBoost only reads during the call.
        let code = unsafe { (self.api.booster_load)(self.handle, json.as_ptr().cast(), json.len() as u64) };
        self.api.check("read the trees", code)
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        // SAFETY: we own the handle, and free it only once.
        unsafe { (self.api.booster_free)(self.handle) };
    }
}

/// A copy of values returned by C; empty for a null pointer.
///
/// # Safety
/// `values` is null or points to `length` initialized values.
unsafe fn copied<T: Copy>(values: *const T, length: u64) -> Vec<T> {
    if values.is_null() {
        return Vec::new();
    }
    // SAFETY: guaranteed by the caller.
    unsafe { std::slice::from_raw_parts(values, length as usize) }.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_every_path_that_was_tried() {
        let folder = tempfile::tempdir().unwrap();
        let damaged = folder.path().join("libxgboost.so");
        std::fs::write(&damaged, b"no library").unwrap();
        let missing = folder.path().join("missing.so");
        let reason = Api::open_first(&[missing, damaged]).err().unwrap();
        assert!(reason.contains("missing.so: not there; "), "{reason}");
        assert!(reason.ends_with("libxgboost.so: file too short"), "{reason}");
    }

    #[test]
    fn xgboost_s_message_is_in_the_error() {
        let mut learner = Learner::new(&[]).unwrap();
        let error = learner.load_json(b"{\"learner\": 1}").unwrap_err().to_string();
        assert!(error.starts_with("XGBoost cannot read the trees: "), "{error}");
        assert!(error.len() > 40, "the reason is passed on: {error}");
    }
}
